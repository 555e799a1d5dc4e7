"""Which runs of a sweep are trained together."""

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from overparam.data.module import PoolDataModule
from overparam.errors import ConfigError
from overparam.machine import trains_on_mps
from overparam.models.parameters import without_memory
from overparam.packs.exact import (
    packing_is_exact,
    padding_is_exact,
    samples_are_independent,
    succeeds_in_subprocess,
)
from overparam.packs.memory import Footprint, budget, footprint
from overparam.packs.rows import PackKey, arrange, pack_key
from overparam.packs.side_by_side import runs_side_by_side
from overparam.packs.speeds import Speeds, gpu
from overparam.runs.choices import CHOICES
from overparam.training.build import Parts
from overparam.training.fused import UNSEEN
from overparam.training.module import SupervisedModule
from overparam.training.objective import is_packable
from overparam.training.schedules import inverse_sqrt

log = logging.getLogger(__name__)

Packing = Literal["auto", "all", "off"]

# What may differ inside a pack.
PACKABLE = {
    "seed",
    "data.seed",
    "data.order_seed",
    "data.label_noise",
    "data.n_train",
    "optimizer.lr",
    "optimizer.weight_decay",
    "optimizer.momentum",
    "model.width",
}
# These treat every parameter's numbers one by one, so a member's update does not depend on its neighbours.
OPTIMIZERS = (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW)
PRECISIONS = ("32-true", "64-true")
# What of its data a pack does in its own way.
OF_THE_POOL = (
    *("setup", "splits", "train_dataloader", "augmentation"),
    *("on_before_batch_transfer", "on_after_batch_transfer"),
)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
# A pack may spend at most this share of its arithmetic on padding.
MOST_WASTE = 0.5
# What joins two groups of widths into one pack: the seconds a pack's step costs whatever its size, against
# the seconds that padding costs at a CPU core's speed (both measured, see the benchmarks).
STEP_SECONDS, FLOPS_PER_SECOND = 3e-4, 6e10


@dataclass
class Candidate:
    """A run, with what the plan needs to know of it."""

    index: int
    parts: Parts
    key: PackKey
    n_train: int
    cost: float  # multiply-adds a step, forward: batch size times trainable parameters
    size: Footprint

    @property
    def width(self) -> int:
        """See `PackKey`."""
        return self.key.width


@dataclass
class Row:
    """Runs that stand side by side, or one."""

    runs: list[Candidate]

    @property
    def batch(self) -> int:
        """Samples a step."""
        return self.runs[0].parts.data.batch_size

    @property
    def params(self) -> int:
        """Trainable parameters of all runs."""
        return sum(run.parts.params for run in self.runs)

    @property
    def cost(self) -> float:
        """See `Candidate`."""
        return sum(run.cost for run in self.runs)

    @property
    def size(self) -> float:
        """Bytes; the samples are held once."""
        return sum(run.size.model for run in self.runs) + max(run.size.data for run in self.runs)


def plan(
    runs: Sequence[tuple[DictConfig, Parts]],
    packing: Packing,
    jobs: int = 1,
    seeds: Sequence[Mapping[str, int]] = (),
    speeds: Speeds | None = None,
) -> tuple[list[list[int]], Counter[str]]:
    """Return packs of two and more runs, as indices into `runs`, and why the others run alone, counted.

    Args:
        runs: the config and the parts of each run; runs that differ in `seeds` only may share both.
        packing: "auto" packs what pays on this device, "all" whatever can be packed, "off" nothing.
        jobs: how many packs may run on this machine at once; each takes its share of the memory.
        seeds: the seeds of each run by dotted key, if its config does not say them.
        speeds: what was measured on GPUs, for "auto"; what it lacks is measured.
    """
    alone: Counter[str] = Counter()
    if packing == "off":
        return [], alone
    if packing not in get_args(Packing):
        raise ConfigError(f"pack must be one of {', '.join(get_args(Packing))}, got {packing!r}")
    speeds = speeds or Speeds()
    texts = {id(cfg): _family(cfg) for cfg in {id(cfg): cfg for cfg, _ in runs}.values()}
    families: dict[str, list[int]] = defaultdict(list)
    for index, (cfg, parts) in enumerate(runs):
        data = parts.data
        size = f" batch {data.batch_size}" if data.batch_size < data.n_train else " full batch"
        families[texts[id(cfg)] + size].append(index)
    packs: list[list[Row]] = []
    for indices in families.values():
        reason = _why_not_packable(*runs[indices[0]], packing)
        if reason is None and len(indices) == 1:
            reason = "no other run to be trained with"
        if reason is None and not _is_exact(runs[indices[0]][1]):
            reason = "the network cannot be packed exactly (random numbers, or operations that vmap lacks)"
        if reason is not None:
            alone[reason] += len(indices)
            continue
        cfg, parts = runs[indices[0]]
        side_by_side = runs_side_by_side(without_memory(parts.build_net))
        device = None if side_by_side or packing == "all" else gpu(cfg.trainer.accelerator)
        for same in _alike(_candidates(runs, indices, seeds)):
            for grid in arrange(same, lambda candidate: candidate.key, side_by_side):
                for rows in _by_padding([Row(row) for row in grid]):
                    most = len(rows)
                    if device is not None:
                        most = _fastest_together(rows, cfg.trainer.precision, device, jobs, speeds)
                    if most == 1 < len(rows):
                        alone["they train no faster together on this GPU, as measured"] += len(rows)
                    else:
                        packs += _by_memory(rows, budget() / jobs, most)
    alone["no other run to be trained with"] += sum(len(runs_of(pack)) == 1 for pack in packs)
    packs = [pack for pack in packs if len(runs_of(pack)) > 1]
    while packs and len(packs) < jobs and len(runs_of(longest := max(packs, key=_cost))) > 3:
        packs.remove(longest)
        packs += _halves(longest)  # no slot stays empty
    packs.sort(key=_cost, reverse=True)  # long ones first
    return [[candidate.index for candidate in runs_of(pack)] for pack in packs], +alone


def runs_of(pack: Sequence[Row]) -> list[Candidate]:
    """Return the runs of a pack, row by row."""
    return [run for row in pack for run in row.runs]


def _candidates(
    runs: Sequence[tuple[DictConfig, Parts]], indices: Sequence[int], seeds: Sequence[Mapping[str, int]]
) -> list[Candidate]:
    sizes: dict[tuple[int, int], Footprint] = {}
    candidates = []
    for index in indices:
        cfg, parts = runs[index]
        own = pack_key(cfg, parts, *seeds[index : index + 1])
        size = own.width, parts.data.n_train
        if size not in sizes:
            sizes[size] = footprint(parts, cfg.trainer.precision)
        cost = parts.data.batch_size * parts.params
        candidates.append(Candidate(index, parts, own, parts.data.n_train, cost, sizes[size]))
    return candidates


def _cost(pack: Sequence[Row]) -> float:
    return sum(row.cost for row in pack)


def _family(cfg: DictConfig) -> str:
    """Return a text that is equal for runs that differ in packable keys only."""
    values: dict[str, Any] = {}

    def visit(key: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, child in value.items():
                visit(f"{key}.{name}" if key else str(name), child)
        elif key not in PACKABLE and key != "paths.run" and not key.startswith(f"{CHOICES}."):
            values[key] = value

    visit("", OmegaConf.to_container(cfg, resolve=True))
    return json.dumps(values, sort_keys=True, default=str)


def _why_not_packable(cfg: DictConfig, parts: Parts, packing: Packing) -> str | None:
    """Return why runs such as `cfg` run alone, or None: the objects are asked, whatever the config calls them.

    A pack has a step, a loader and an evaluation of its own, so whatever could change one of these is left alone.
    """
    module = without_memory(parts.build_module)
    if type(module) is not SupervisedModule:
        return f"their module, {type(module).__name__}, may have a step of its own"
    if not isinstance(parts.data, PoolDataModule) or any(
        getattr(type(parts.data), name) is not getattr(PoolDataModule, name) for name in OF_THE_POOL
    ):
        return f"their data, {type(parts.data).__name__}, has loaders of its own"
    if parts.build_callbacks():
        return "they have callbacks"
    if cfg.get("measures"):
        return "they have measures"
    if cfg.get("keep_state") or cfg.get("continue_from"):
        return "they keep their final state, or continue from one"
    if not is_packable(parts.loss):
        return f"their loss, {_name(parts.loss)}, is not one of the lab's"
    optimizer = getattr(parts.optimizer, "func", parts.optimizer)
    if optimizer not in OPTIMIZERS:
        return f"their optimizer, {_name(optimizer)}, may treat parameters together"
    if parts.scheduler is not None and not _schedules_alike(parts.scheduler):
        return f"their schedule, {_name(parts.scheduler)}, is not known to be one of steps alone"
    if cfg.trainer.precision not in PRECISIONS:
        return f"precision {cfg.trainer.precision} rounds too coarsely for a pack to equal its runs"
    if unknown := sorted(set(map(str, cfg.trainer)) - UNSEEN - {"max_time"}) + ["devices"] * (
        cfg.trainer.devices != 1
    ):
        return f"of trainer.{unknown[0]}"
    if trains_on_mps(cfg.trainer.accelerator):
        return "packs hold float64 numbers, which a Mac's GPU lacks (trainer.accelerator=cpu has them)"
    if cfg.compile or cfg.channels_last:
        return "they are compiled, or in channels-last order"
    on_cpu = gpu(cfg.trainer.accelerator) is None
    has_convolutions = any(isinstance(layer, CONVOLUTIONS) for layer in module.net.modules())
    if packing == "auto" and on_cpu and has_convolutions:
        return "convolutions run no faster in a pack on a CPU"
    return None


def _is_exact(parts: Parts) -> bool:
    """Return whether a trial says that copies of the network in a pack compute what it computes alone."""
    return succeeds_in_subprocess(lambda: packing_is_exact(parts.build_net(), parts.data.input_shape))


def _schedules_alike(make: Any) -> bool:
    """Return whether a schedule, and those nested in it, is of the lab or of torch, and counts steps alone."""
    if isinstance(make, list | tuple):
        return all(_schedules_alike(item) for item in make)
    if not hasattr(make, "func"):
        return True  # a plain knob
    known = make.func is inverse_sqrt or make.func.__module__ == "torch.optim.lr_scheduler"
    return known and make.func is not ReduceLROnPlateau and all(map(_schedules_alike, make.keywords.values()))


def _name(called: Any) -> str:
    function = getattr(called, "func", called)
    return getattr(function, "__name__", type(function).__name__)


def _alike(candidates: list[Candidate]) -> list[list[Candidate]]:
    """Split a family where its widths, or its full-batch sizes, cannot be padded exactly."""
    narrow, wide = (end(candidates, key=lambda c: c.width) for end in (min, max))
    build, shape = narrow.parts.build_net, narrow.parts.data.input_shape
    keys = []
    if narrow.width != wide.width and not succeeds_in_subprocess(
        lambda: padding_is_exact(build(), wide.parts.build_net(), shape)
    ):
        keys.append("width")
    has_full_batches = narrow.parts.data.batch_size == narrow.n_train
    if has_full_batches and not succeeds_in_subprocess(lambda: samples_are_independent(build(), shape)):
        keys.append("n_train")
    groups = defaultdict(list)
    for candidate in candidates:
        groups[tuple(getattr(candidate, key) for key in keys)].append(candidate)
    return list(groups.values())


def _by_padding(rows: list[Row]) -> list[list[Row]]:
    """Cut rows, in order of their cost, into the packs of least estimated time (dynamic programming).

    The time of a pack's step is `STEP_SECONDS` plus its arithmetic, padding included.
    """
    ordered = sorted(rows, key=lambda row: (row.cost, row.runs[0].width, row.runs[0].n_train))
    costs = [row.cost for row in ordered]
    edges = [i for i in range(len(ordered)) if i == 0 or costs[i] != costs[i - 1]] + [len(ordered)]
    best: dict[int, tuple[float, int]] = {0: (0.0, 0)}
    for end in edges[1:]:
        options = []
        for start in (edge for edge in edges if edge < end):
            # The widest row need not have the largest batch.
            params = max(row.params for row in ordered[start:end])
            batch = max(row.batch for row in ordered[start:end])
            padded = (end - start) * params * batch
            if sum(costs[start:end]) >= (1 - MOST_WASTE) * padded:
                seconds = STEP_SECONDS + 6 * padded / FLOPS_PER_SECOND
                options.append((best[start][0] + seconds, start))
        best[end] = min(options)
    groups, end = [], len(ordered)
    while end:
        start = best[end][1]
        groups.append(ordered[start:end])
        end = start
    return groups


def _fastest_together(
    rows: list[Row], precision: str, device: torch.device, jobs: int, speeds: Speeds
) -> int:
    """Return how many rows, of one run each, make the fastest pack, all of them of the size of the largest."""
    widest = max(rows, key=lambda row: row.params).runs[0].parts
    fit = int(budget() / jobs // max(row.size for row in rows))
    if min(fit, len(rows)) < 2:
        return len(rows)  # there is nothing to choose
    return speeds.members(widest, max(row.batch for row in rows), precision, device, fit)


def _by_memory(rows: list[Row], available: float, most: int) -> list[list[Row]]:
    """Split rows into as few packs of about equal size, `most` rows or fewer, as fit the memory.

    A row too large for it is halved.
    """
    fit = int(available // max(row.size for row in rows))
    if fit < 1 and len(rows[0].runs) > 1:
        return [pack for half in _columns(rows) for pack in _by_memory(half, available, most)]
    count = -(-len(rows) // max(min(fit, most), 1))
    return [rows[i * len(rows) // count : (i + 1) * len(rows) // count] for i in range(count)]


def _halves(pack: list[Row]) -> list[list[Row]]:
    """Split a pack in two of about equal cost."""
    if len(pack[0].runs) > len(pack):
        return _columns(pack)
    return [pack[::2], pack[1::2]]


def _columns(rows: list[Row]) -> list[list[Row]]:
    """Split every row in two of about equal cost: the largest run, and each next one, joins the smaller half."""
    halves: tuple[list[int], list[int]] = ([], [])
    costs = [0.0, 0.0]
    for column in reversed(range(len(rows[0].runs))):
        smaller = costs.index(min(costs))
        halves[smaller].append(column)
        costs[smaller] += rows[0].runs[column].cost
    return [[Row([row.runs[column] for column in sorted(half)]) for row in rows] for half in halves]
