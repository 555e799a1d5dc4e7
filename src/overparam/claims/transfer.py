"""Learning-rate transfer: how far the best learning rate moves from one network to another."""

import math

import numpy as np
import polars as pl

from overparam.claims.effects import Where


def shift_of_best(
    table: pl.DataFrame, value: str, of: Where, over: Where, against: str = "optimizer.lr"
) -> list[float]:
    """Return log2(best `against` of `of` / best of `over`) for each seed: 1 is a best learning rate twice as large.

    The best is where a parabola through the least `value` and its two neighbours has its minimum, over the logarithms
    of both, so that a shift is not rounded to the grid of learning rates.

    Args:
        table: a claim's table, with a row for each seed and learning rate in a cell.
        value: column that is least at the best, positive; what is no finite number is worse than any.
        of: the cell of one network.
        over: that of another.
        against: column of the learning rates.

    Raises:
        ValueError: if the least value is at an end of the grid.
    """
    pairs = zip(*(_bests(table, value, where, against) for where in (of, over)), strict=True)
    return [first - second for first, second in pairs]


def _bests(table: pl.DataFrame, value: str, where: Where, against: str) -> list[float]:
    found = []
    chosen = [pl.col(column) == wanted for column, wanted in where.items()]
    rows = table.filter(*chosen).sort("seed", against)
    for part in rows.partition_by("seed", maintain_order=True):
        numbers = part[value].cast(pl.Float64).fill_null(math.inf).fill_nan(math.inf).to_numpy()
        rates, losses = np.log2(part[against].to_numpy()), np.log2(numbers)
        least = int(losses.argmin())
        if not 0 < least < len(losses) - 1:
            raise ValueError(
                f"the least {value} of seed {part['seed'][0]} with {dict(where)} is at an end of the grid of {against}"
            )
        found.append(_vertex(rates[least - 1 : least + 2], losses[least - 1 : least + 2]))
    return found


def _vertex(x: np.ndarray, y: np.ndarray) -> float:
    """Return where the parabola through three points, x[1] the lowest, has its minimum; x[1] if one is infinite."""
    if not np.isfinite(y).all():
        return float(x[1])
    left, right = (y[1] - y[0]) / (x[1] - x[0]), (y[2] - y[1]) / (x[2] - x[1])
    if left == right:
        return float(x[1])
    return float((x[0] + x[1]) / 2 - left * (x[2] - x[0]) / (2 * (right - left)))
