"""Runs arranged as a stack holds them: rows that share hyperparameters and samples, of equal widths."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from overparam.training.build import Parts

T = TypeVar("T")


@dataclass(frozen=True)
class PackKey:
    """What a run may have in common with another of its family."""

    recipe: str  # the optimizer's hyperparameters
    inputs: tuple[Any, ...]  # its training samples, in the order in which it reads them
    labels: tuple[Any, ...]  # its training samples and their labels
    width: int  # 0 for a network without one


def pack_key(cfg: Any, parts: Parts, seeds: Mapping[str, int] = MappingProxyType({})) -> PackKey:
    """Return what a run of this config has in common with others that differ in packable keys only.

    Args:
        cfg: its config, or that of a run which differs from it in `seeds` only.
        parts: what either is made of.
        seeds: the run's own, by dotted key.
    """
    data: Any = parts.data
    reads_in_order = data.batch_size == data.n_train and not (data.crop or data.flip or data.cutout)
    samples = (seeds.get("data.seed", cfg.data.get("seed")), data.n_train)
    order = None if reads_in_order else seeds.get("data.order_seed", cfg.data.get("order_seed"))
    recipe = repr(getattr(parts.optimizer, "keywords", None))
    labels = (*samples, cfg.data.get("label_noise"))
    return PackKey(recipe, (*samples, order), labels, cfg.model.get("width") or 0)


def arrange(runs: Sequence[T], key_of: Callable[[T], PackKey], side_by_side: bool) -> list[list[list[T]]]:
    """Return grids, each a list of rows, each a list of runs; rows of equal hyperparameters follow each other.

    Args:
        runs: of one family.
        key_of: tells a run's `PackKey`.
        side_by_side: whether runs of equal hyperparameters and inputs may share a row. Rows of one grid then
            have the same widths. Otherwise each run is a row, and all are one grid.
    """
    if not side_by_side:
        return [[[run] for run in sorted(runs, key=lambda run: key_of(run).recipe)]]
    rows: dict[Any, list[T]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: key_of(run).width):
        rows[key_of(run).recipe, key_of(run).inputs].append(run)
    grids: dict[tuple[int, ...], list[list[T]]] = defaultdict(list)
    for row in rows.values():
        grids[tuple(key_of(run).width for run in row)].append(row)
    return [sorted(grid, key=lambda row: key_of(row[0]).recipe) for grid in grids.values()]
