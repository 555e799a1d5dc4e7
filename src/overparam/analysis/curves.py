"""Means and intervals over seeds along a swept key, and the interpolation threshold."""

import polars as pl
from scipy.stats import t as student

from overparam.tracking.summary import EPSILON


def over_seeds(table: pl.DataFrame, keys: list[str], values: list[str]) -> pl.DataFrame:
    """Return, for each combination of `keys`, how many runs it has, and mean, std and interval of `values`.

    The columns are `seeds`, and for each value `v`, `v_std`, `v_ci`: the mean, the standard deviation over
    runs, and the half-width of Student's 95% interval of the mean. With one run, std and ci are null.
    """
    statistics = [pl.len().alias("seeds")]
    statistics += [pl.col(value).mean() for value in values]
    statistics += [pl.col(value).std().alias(f"{value}_std") for value in values]
    grouped = table.group_by(keys).agg(statistics).sort(keys)
    factor = pl.Series(
        [student.ppf(0.975, n - 1) / n**0.5 if n > 1 else None for n in grouped["seeds"]], dtype=pl.Float64
    )
    return grouped.with_columns([(pl.col(f"{value}_std") * factor).alias(f"{value}_ci") for value in values])


def interpolation_threshold(curve: pl.DataFrame, key: str, epsilon: float = EPSILON) -> float | None:
    """Return the smallest swept value of `key` from which on the mean training error is at most `epsilon`.

    None if the largest swept value does not fit its data, or the smallest does already.
    """
    above = curve.sort(key).filter(pl.col("train_error") > epsilon)[key]
    if len(above) == 0 or above[-1] == curve[key].max():
        return None
    return float(curve.filter(pl.col(key) > above[-1])[key].min())  # type: ignore[arg-type]
