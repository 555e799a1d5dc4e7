"""Means and intervals over seeds along a swept key, and the interpolation threshold."""

import numpy as np
import polars as pl
from scipy.special import stdtrit  # Student's t quantile; scipy.stats takes a second to import

from overparam.runs.summary import EPSILON

SEEDS_FOR_A_BAND = 3  # with two, Student's factor is 9, and the interval says nothing


def over_seeds(table: pl.DataFrame, keys: list[str], values: list[str]) -> pl.DataFrame:
    """Return, for each combination of `keys`, how many runs it has, and mean, std and interval of `values`.

    The columns are `seeds`, and for each value `v`, `v_std`, `v_ci`: the mean, the standard deviation over
    runs, and the half-width of Student's 95% interval of the mean. With one run, std and ci are null.
    """
    statistics = [pl.len().alias("seeds")]
    statistics += [pl.col(value).mean() for value in values]
    statistics += [pl.col(value).std().alias(f"{value}_std") for value in values]
    grouped = table.group_by(keys).agg(statistics).sort(keys)
    count = np.maximum(grouped["seeds"].to_numpy(), 2)
    factor = pl.Series(stdtrit(count - 1, 0.975) / np.sqrt(count))
    return grouped.with_columns([(pl.col(f"{value}_std") * factor).alias(f"{value}_ci") for value in values])


def seeds_text(table: pl.DataFrame, keys: list[str]) -> str:
    """Say what the points and bands of a figure over `keys` are."""
    seeds = table.group_by(keys).len()["len"].to_list()
    low, high = min(seeds), max(seeds)
    if high == 1:
        return "one seed"
    many = f"{low}" if low == high else f"{low} to {high}"
    return f"mean{' and 95% interval' if high >= SEEDS_FOR_A_BAND else ''} over {many} seeds"


def effective_model_complexity(curve: pl.DataFrame, key: str, epsilon: float = EPSILON) -> float | None:
    """Return the largest swept number of samples `key` up to which the mean training error is at most `epsilon`.

    Nakkiran et al. 2019, definition 1, on the values that were swept. None if all of them are fitted, or none.
    """
    above = curve.filter(pl.col("train_error") > epsilon)[key]
    if len(above) == 0 or above.min() == curve[key].min():
        return None
    return float(curve.filter(pl.col(key) < above.min())[key].max())  # type: ignore[arg-type]


def interpolation_threshold(curve: pl.DataFrame, key: str, epsilon: float = EPSILON) -> float | None:
    """Return the smallest swept value of `key` from which on the mean training error is at most `epsilon`.

    None if the largest swept value does not fit its data, or the smallest does already.
    """
    above = curve.sort(key).filter(pl.col("train_error") > epsilon)[key]
    if len(above) == 0 or above[-1] == curve[key].max():
        return None
    return float(curve.filter(pl.col(key) > above[-1])[key].min())  # type: ignore[arg-type]
