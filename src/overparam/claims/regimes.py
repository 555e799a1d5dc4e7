"""What fitting wrong labels costs, over samples, width and noise: benign, tempered or catastrophic."""

import polars as pl

from overparam.analysis.regime_map import FITTED, NOISE, WIDTH, N
from overparam.claims.sources import Source, runs
from overparam.claims.trained import Setup


def costs(setup: Setup, experiment: str) -> Source:
    """Train an experiment over samples, width and noise, and price the noise; a row is a setting with noise of a seed.

    The price is `cost` = (test error with noise - without) / noise rate, of one seed and so of one training set: 0 if
    wrong labels do no harm, 1 if a wrong label costs as much as it would if the network were to repeat it (a nearest
    neighbour does). Up to .1 it is benign, up to 1 tempered, above catastrophic; the names are of Mallinar et al. 2022
    (arXiv:2207.06569), whose limits of many samples they stand for here at finite n.

    Args:
        setup: where, over which seeds, and with whose configs.
        experiment: a file of configs/experiment/, that sweeps data.n_train, model.width and data.label_noise with 0.
    """
    table, used = runs(setup, experiment)
    keys = ["seed", N, WIDTH]
    clean = table.filter(pl.col(NOISE) == 0).select(*keys, clean_error=pl.col("test_error"))
    noisy = table.filter(pl.col(NOISE) > 0).join(clean, on=keys, maintain_order="left")
    return noisy.with_columns(cost=(pl.col("test_error") - pl.col("clean_error")) / pl.col(NOISE)), used


def least_cost(table: pl.DataFrame, noise: float) -> list[float]:
    """Return for each seed the cost in that setting, of those that interpolate, whose mean cost over seeds is least.

    A setting interpolates if its mean training error is at most `FITTED`.

    Raises:
        ValueError: if none does.
    """
    at = table.filter(pl.col(NOISE) == noise)
    means = at.group_by(N, WIDTH).agg(pl.col("cost", "train_error").mean())
    fitted = means.filter(pl.col("train_error") <= FITTED).sort("cost", N, WIDTH)
    if fitted.is_empty():
        raise ValueError(f"no setting with {NOISE}={noise} interpolates")
    n, width = fitted.select(N, WIDTH).row(0)
    found = at.filter(pl.col(N) == n, pl.col(WIDTH) == width).sort("seed")["cost"]
    return [float(value) for value in found]
