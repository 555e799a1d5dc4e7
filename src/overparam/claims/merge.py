"""Ledgers of several labs pooled: the same rules, over the seeds of all."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from overparam.claims import effects as lab_effects
from overparam.claims.ledger import ENTRIES, Entry, read_entries
from overparam.claims.plan import changed_files
from overparam.errors import ConfigError
from overparam.runs.damage import what_is_wrong
from overparam.runs.identity import hash_of

ACROSS_SEEDS = f"{lab_effects.__name__}.{lab_effects.largest_rise.__name__}"
ROUNDING = 1e-4  # relative; machines round otherwise


def read_ledger(path: Path) -> list[Entry]:
    """Return the entries of a ledger: a folder such as logs/claims, or a published claims.json.

    Raises:
        ConfigError: if it has none.
    """
    if path.is_dir():
        entries = read_entries(path, is_ours=False)
    elif path.exists():
        try:
            entries = ENTRIES.validate_json(path.read_bytes())
        except ValueError as error:
            raise ConfigError(f"{path} is no ledger: {what_is_wrong(error)}") from error
    else:
        raise ConfigError(f"there is no ledger {path}")
    if judged := [entry for entry in entries if entry.effects]:
        return judged
    raise ConfigError(
        f"{path} has no judged claim: a ledger is a folder such as logs/claims, or a claims.json"
    )


def merge(entries: Sequence[Entry]) -> tuple[Entry, list[str]]:
    """Pool the entries that several labs have of one claim.

    The intervals of any time stay right: the labs' seeds one after the other are one sequence, and where each of them
    stops is a time to stop in it. Those of a fixed n are right if no lab chose its number by a look.

    Returns:
        The claim over the seeds of all, and what is to be said of it, a line each.

    Raises:
        ConfigError: if they cannot be pooled.
    """
    pooled, said = entries[0], list[str]()
    for other in entries[1:]:
        pooled, lines = _pair(pooled, other)
        said += lines
    return pooled, said


def _pair(a: Entry, b: Entry) -> tuple[Entry, list[str]]:
    if a.digest != b.digest:
        raise ConfigError(f"it was judged by two rules, {a.digest} and {b.digest}")
    if not a.definition:
        raise ConfigError("its rule is not on record: judge it again")
    if any(effect["_target_"] == ACROSS_SEEDS for effect in a.definition["effects"].values()):
        raise ConfigError(
            "its largest_rise is taken where the mean over all seeds is largest, which pooling moves"
        )
    both = sorted(set(a.seeds) & set(b.seeds))
    runs, others = ({hash_of(name): name for name in entry.runs} for entry in (a, b))
    if both and runs and others and runs.keys().isdisjoint(others):
        raise ConfigError(f"seed {both[0]} is in both, with other runs")
    said, effects = [], []
    for ours, theirs in zip(a.effects, b.effects, strict=True):
        first, second = (dict(zip(e.seeds, v.values, strict=True)) for e, v in ((a, ours), (b, theirs)))
        if differing := [
            seed for seed in both if not math.isclose(first[seed], second[seed], rel_tol=ROUNDING)
        ]:
            said.append(f"{ours.name} differs in both for seed {differing[0]}: that of the first counts")
        effects.append(replace(ours, values=[value for _, value in sorted((second | first).items())]))
    if both:
        said.append(f"seeds in both, counted once: {', '.join(map(str, both))}")
    if not a.code or not b.code:
        said.append("which code made them is not on record for all")
    elif changed := changed_files(a.code, b.code):
        said.append(f"made by other code: {', '.join(changed)}")
    seals = dict.fromkeys(entry.sealed or "not sealed" for entry in (a, b))
    pooled = replace(
        a,
        effects=effects,
        seeds=sorted({*a.seeds, *b.seeds}),
        runs=list((runs | others).values()),
        seconds=a.seconds + b.seconds,
        codes=list(dict.fromkeys([*a.codes, *b.codes])),
        figure="",  # each lab's is of its own seeds
        sealed="; ".join(seals),
        began=min(a.began, b.began) if a.began and b.began else None,
    )
    return pooled, said
