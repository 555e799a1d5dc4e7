"""Runs arranged as a stack holds them: rows that share hyperparameters and samples, of equal widths."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from overparam.training.build import Parts

T = TypeVar("T")


@dataclass(frozen=True)
class Kin:
    """What a run may have in common with another of its family."""

    recipe: str  # the optimizer's hyperparameters
    inputs: tuple[Any, ...]  # its training samples, in the order in which it reads them
    labels: tuple[Any, ...]  # its training samples and their labels
    width: int  # 0 for a network without one


def kin(cfg: Any, parts: Parts) -> Kin:
    """Return what a run of this config has in common with others that differ in packable keys only."""
    data = parts.data
    reads_in_order = data.batch_size == data.n_train and not (data.crop or data.flip or data.cutout)
    samples = (cfg.data.get("seed"), data.n_train)
    order = None if reads_in_order else cfg.data.get("order_seed")
    recipe = repr(getattr(parts.optimizer, "keywords", None))
    labels = (*samples, cfg.data.get("label_noise"))
    return Kin(recipe, (*samples, order), labels, cfg.model.get("width") or 0)


def arrange(runs: Sequence[T], kin_of: Callable[[T], Kin], side_by_side: bool) -> list[list[list[T]]]:
    """Return grids, each a list of rows, each a list of runs; rows of equal hyperparameters follow each other.

    Args:
        runs: of one family.
        kin_of: tells a run's `Kin`.
        side_by_side: whether runs of equal hyperparameters and inputs may share a row. Rows of one grid then
            have the same widths. Otherwise each run is a row, and all are one grid.
    """
    if not side_by_side:
        return [[[run] for run in sorted(runs, key=lambda run: kin_of(run).recipe)]]
    rows: dict[Any, list[T]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: kin_of(run).width):
        rows[kin_of(run).recipe, kin_of(run).inputs].append(run)
    grids: dict[tuple[int, ...], list[list[T]]] = defaultdict(list)
    for row in rows.values():
        grids[tuple(kin_of(run).width for run in row)].append(row)
    return [sorted(grid, key=lambda row: kin_of(row[0]).recipe) for grid in grids.values()]
