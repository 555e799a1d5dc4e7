"""Which variation an interval over seeds covers: what of two runs differs that differ in the seed alone.

A seed that changes no draw is no replicate. With all of a pool's samples trained on, "other data" is the same data; and
one test set serves most seeds, so that its own sampling error is in no interval.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from omegaconf import DictConfig, OmegaConf

from overparam.claims.claim import Call, Claim
from overparam.claims.plan import planned_runs
from overparam.claims.trained import Setup
from overparam.data.module import PoolDataModule, Split
from overparam.runs.identity import flat_values
from overparam.training.build import build_data

SEED_KEYS = ("seed", "data.seed", "data.order_seed")
OF_DATA = ("data.seed", "data.order_seed")


@dataclass(frozen=True)
class Variation:
    """What differs between two runs that differ in the seed alone."""

    differs: set[str]  # those of `SEED_KEYS` that do
    n_train: int
    shared: float  # share of the first one's training inputs that the second one has too
    labels: bool  # whether labels differ, of the inputs that both have
    one_test_set: bool
    ordered: bool  # whether an epoch has several batches, whose order is drawn
    augmented: bool


def covers(claim: Claim, setup: Setup) -> str:
    """Return in words which variation a claim's interval covers, and which it does not; empty if that is not known.

    For runs it is found by composing those of two seeds and loading their data; nothing is trained. An exact model says
    it in the claim's `covers`.
    """
    knobs = claim.source.model_extra or {}
    if claim.covers or not knobs.get("experiment") or len(setup.seeds) < 2:
        return claim.covers or ""
    runs = planned_runs(_from_scratch(claim), replace(setup, seeds=setup.seeds[:2]))
    first, second = (seed * knobs.get("sets", 1) for seed in setup.seeds[:2])
    pairs = _pairs([run.cfg for run in runs], knobs.get("replicate", "seed"), first, second)
    return in_words([found for a, b in pairs if (found := variation(a, b)) is not None])


def _from_scratch(claim: Claim) -> Claim:
    """Return the claim without the runs that others begin from: those need no weights to have their data."""
    knobs = {key: value for key, value in (claim.source.model_extra or {}).items() if key != "after"}
    if (claim.source.model_extra or {}).get("after"):
        sweeps = knobs.get("sweeps") or {"": []}
        knobs["sweeps"] = {
            name: [o for o in overrides if not o.startswith("init_from=")]
            for name, overrides in sweeps.items()
        }
    return claim.model_copy(update={"source": Call(_target_=claim.source.target, **knobs)})


def variation(a: DictConfig, b: DictConfig) -> Variation | None:
    """Return what differs between two runs; None if their data are no pool of tensors."""
    first, second = build_data(a), build_data(b)
    if not isinstance(first, PoolDataModule) or not isinstance(second, PoolDataModule):
        return None
    for data in (first, second):
        data.prepare_data()
        data.setup()
    ours, theirs = _labels_by_input(first.train), _labels_by_input(second.train)
    both = ours.keys() & theirs.keys()
    return Variation(
        differs={key for key in SEED_KEYS if OmegaConf.select(a, key) != OmegaConf.select(b, key)},
        n_train=first.n_train,
        shared=len(both) / len(ours),
        labels=any(ours[row] != theirs[row] for row in both),
        one_test_set=first.test.stored.equal(second.test.stored),
        ordered=first.batch_size < first.n_train,
        augmented=first.augmentation() is not None,
    )


def in_words(found: Sequence[Variation]) -> str:
    """Return what is covered and what is not by intervals over runs with these variations; empty if there are none."""
    if not found:
        return ""
    varied = set[str]().union(*(v.differs for v in found))
    some = sorted({v.shared for v in found if 0 < v.shared < 1})
    same = sorted({v.n_train for v in found if v.shared == 1})
    names = {
        "initialization": "seed" in varied,
        # Batches are taken from the subset's own order, which follows data.seed.
        "batch order": any(v.ordered and v.differs & set(OF_DATA) for v in found),
        "augmentation": any(v.augmented and "data.order_seed" in v.differs for v in found),
        "label noise": any(v.labels for v in found),
        "training data, all new": any(v.shared == 0 for v in found),
        f"subset (two seeds share {_from_to([f'{share:.0%}' for share in some])} of it)": bool(some),
    }
    left = {
        "initialization, the same for all seeds": "seed" not in varied,
        f"training inputs where n = {_from_to(same)}, the same for all seeds": bool(same),
        "test set, one for all seeds": any(v.one_test_set for v in found),
    }
    covered, missed = ([name for name, is_so in part.items() if is_so] for part in (names, left))
    return ", ".join(covered or ["nothing"]) + (f"; not: {', '.join(missed)}" if missed else "")


def _from_to(values: Sequence[object]) -> str:
    return " to ".join(str(value) for value in dict.fromkeys([*values[:1], *values[-1:]]))


def _labels_by_input(split: Split) -> dict[bytes, object]:
    """Return the labels of samples by a hash of their inputs."""
    rows, labels = split.stored.cpu().numpy(), split.y.tolist()
    return {hashlib.sha256(row.tobytes()).digest(): y for row, y in zip(rows, labels, strict=True)}


def _pairs(
    cfgs: Sequence[DictConfig], replicate: str, first: int, second: int
) -> list[tuple[DictConfig, DictConfig]]:
    """Return a pair of runs of the two seeds for each setting of the data; their other values are the same."""
    flat = [flat_values(cfg) for cfg in cfgs]
    ours: dict[str, int] = {}
    for index, (cfg, values) in enumerate(zip(cfgs, flat, strict=True)):
        if OmegaConf.select(cfg, replicate) == first:
            data = {k: v for k, v in values.items() if k.startswith("data.") and k not in OF_DATA}
            ours.setdefault(repr(sorted(data.items())), index)
    theirs = [i for i, cfg in enumerate(cfgs) if OmegaConf.select(cfg, replicate) == second]

    def distance(a: int, b: int) -> int:
        return sum(value != flat[b].get(key) for key, value in flat[a].items())

    return [(cfgs[a], cfgs[min(theirs, key=lambda b: distance(a, b))]) for a in ours.values() if theirs]
