"""Means and intervals over seeds along a swept key, and the interpolation threshold."""

import numpy as np
import polars as pl
from scipy.special import stdtrit  # Student's t quantile; scipy.stats takes a second to import

from overparam.runs.summary import EPSILON

SEEDS_FOR_A_BAND = 3  # with two, Student's factor is 9, and the interval says nothing


def over_seeds(table: pl.DataFrame, keys: list[str], values: list[str]) -> pl.DataFrame:
    """Return, for each combination of `keys`, how many runs it has, and mean, std and interval of `values`.

    The columns are `seeds`, and for each value `v`, `v_std`, `v_ci`: the mean, the standard deviation over
    runs, and the half-width of Student's 95% interval of the mean. With one run, std and ci are null. Runs
    without a value are left out of its statistics.
    """
    statistics = [pl.len().alias("seeds")]
    statistics += [pl.col(value).mean() for value in values]
    statistics += [pl.col(value).std().alias(f"{value}_std") for value in values]
    statistics += [pl.col(value).count().clip(2).alias(f"{value}_ci") for value in values]
    grouped = table.group_by(keys).agg(statistics).sort(keys)
    for value in values:
        count = grouped[f"{value}_ci"].to_numpy()
        factor = pl.Series(stdtrit(count - 1.0, 0.975) / np.sqrt(count))
        grouped = grouped.with_columns((pl.col(f"{value}_std") * factor).alias(f"{value}_ci"))
    return grouped


def seeds_text(table: pl.DataFrame, keys: list[str]) -> str:
    """Return what the points and bands of a figure over `keys` are."""
    seeds = table.group_by(keys).len()["len"].to_list()
    low, high = min(seeds), max(seeds)
    if high == 1:
        return "one seed"
    many = f"{low}" if low == high else f"{low} to {high}"
    if high < SEEDS_FOR_A_BAND:
        return f"mean over {many} seeds, each a dot"
    few = f", below {SEEDS_FOR_A_BAND} each a dot" if low < SEEDS_FOR_A_BAND else ""
    return f"mean and 95% interval over {many} seeds{few}"


def interpolation_threshold(
    curve: pl.DataFrame, key: str, is_falling: bool = True, epsilon: float = EPSILON
) -> float | None:
    """Return the swept value of `key` from which on the mean training error is at most `epsilon`.

    None if the end of the curve does not fit its data, or all of it does.

    Args:
        curve: mean `train_error` by `key`.
        key: what was swept.
        is_falling: whether the training error falls along `key`. It rises along the number of samples n: the
            threshold then is the largest n up to which all fit, the effective model complexity (Nakkiran et al.
            2019, definition 1).
        epsilon: the training error that counts as fitted.
    """
    ordered = curve.sort(key, descending=not is_falling)
    above = (ordered["train_error"] > epsilon).arg_true()
    if len(above) == 0 or above[-1] == len(ordered) - 1:
        return None
    return float(ordered[key][above[-1] + 1])
