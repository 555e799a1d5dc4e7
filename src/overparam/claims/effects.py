"""Effects: one number for each seed, taken from a claim's table, whose mean the claim predicts to be within bounds.

An effect is a function `effect(table, **knobs) -> list[float]`, one value for each seed, in the order of seeds. A cell
of the table is given by the values of its columns (`where`): a number or text to equal, or {from, to} for a closed
range. Several rows of one seed in a cell need a `pick`: "mean", "min" or "max" of the value, as when the best learning
rate counts, or "least <column>", the value in the row where another column is least, as when a setting is chosen on
held-out data.
"""

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

PICKS = ("mean", "min", "max")
LEAST = "least "
Where = Mapping[str, Any]


def difference(
    table: pl.DataFrame, value: str, of: Where, minus: Where | None = None, pick: str | None = None
) -> list[float]:
    """Return value(of) - value(minus) for each seed; value(of) alone without `minus`."""
    first = cell(table, value, of, pick)
    second = [0.0] * len(first) if minus is None else cell(table, value, minus, pick)
    return [a - b for a, b in zip(first, second, strict=True)]


def log_ratio(
    table: pl.DataFrame, value: str, of: Where, over: Where, pick: str | None = None
) -> list[float]:
    """Return log2(value(of) / value(over)) for each seed: 1 is a factor of two."""
    pairs = zip(cell(table, value, of, pick), cell(table, value, over, pick), strict=True)
    return [math.log2(a / b) for a, b in pairs]


def difference_of_differences(
    table: pl.DataFrame,
    value: str,
    first: dict[str, Where],
    second: dict[str, Where],
    pick: str | None = None,
) -> list[float]:
    """Return for each seed [value(of) - value(minus)] of `first` less that of `second`, each {of, minus}."""
    pairs = zip(
        difference(table, value, pick=pick, **first),
        difference(table, value, pick=pick, **second),
        strict=True,
    )
    return [a - b for a, b in pairs]


def largest_rise(table: pl.DataFrame, value: str, along: str, of: Where | None = None) -> list[float]:
    """Return for each seed value(b) - value(a), for those a < b of the column `along` whose mean over seeds is largest.

    Small if a curve falls all the way. Picked by the mean, for by seed the noise of each would count as a rise.
    """
    places = _select(table, of or {})[along].unique().sort().to_list()
    if len(places) < 2:
        raise ValueError(f"a rise of {value} needs two values of {along} or more")
    curves = np.array([cell(table, value, {**(of or {}), along: place}) for place in places])
    means = curves.mean(1)
    a, b = max(combinations(range(len(places)), 2), key=lambda pair: means[pair[1]] - means[pair[0]])
    return [float(rise) for rise in curves[b] - curves[a]]


def exponent(table: pl.DataFrame, value: str, against: str, of: Where | None = None) -> list[float]:
    """Return for each seed the least-squares slope of log(value) against log(`against`), over the cell's rows."""
    slopes = []
    for rows in (
        _select(table, of or {}).sort("seed", maintain_order=True).partition_by("seed", maintain_order=True)
    ):
        used = rows.drop_nulls([value, against])
        if used[against].n_unique() < 2:
            raise ValueError(f"an exponent of {value} needs two values of {against} or more")
        slopes.append(float(np.polyfit(np.log(used[against]), np.log(used[value]), 1)[0]))
    return slopes


def cell(table: pl.DataFrame, value: str, where: Where, pick: str | None = None) -> list[float]:
    """Return `value` in the rows that `where` selects, one number for each seed.

    Raises:
        ValueError: if a column is missing, a seed has no row there, has several without a `pick`, or has no
            number.
    """
    by = pick.removeprefix(LEAST) if pick and pick.startswith(LEAST) else None
    if pick and not by and pick not in PICKS:
        raise ValueError(f"pick must be one of {', '.join(PICKS)} or least <column>, got {pick}")
    for column in (value, *([by] if by else []), *where):
        if column not in table.columns:
            raise ValueError(f"the claim's table has no column {column}: it has {', '.join(table.columns)}")
    found = _select(table, where)
    results = []
    for seed in table["seed"].unique().sort():
        rows = found.filter(pl.col("seed") == seed)
        if by:
            rows = rows.drop_nulls(by).sort(by, maintain_order=True).head(1)
        values = rows[value]
        if len(values) == 0:
            raise ValueError(f"seed {seed} has no row with {dict(where)}")
        if len(values) > 1 and pick is None:
            raise ValueError(f"seed {seed} has {len(values)} rows with {dict(where)}: narrow it, or set pick")
        number = getattr(values, pick)() if pick in PICKS else values[0]
        if number is None or not math.isfinite(number):
            raise ValueError(f"{value} of seed {seed} with {dict(where)} is not a finite number: {number}")
        results.append(float(number))
    return results


def _select(table: pl.DataFrame, where: Where) -> pl.DataFrame:
    for column, wanted in where.items():
        if isinstance(wanted, Mapping):
            table = table.filter(pl.col(column).is_between(wanted["from"], wanted["to"]))
        else:
            table = table.filter(pl.col(column) == wanted)
    return table
