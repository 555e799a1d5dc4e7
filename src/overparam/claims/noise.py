"""What label noise costs trained networks, in units of what a nearest neighbour pays."""

import polars as pl

from overparam.claims.sources import Source, runs
from overparam.claims.trained import Setup
from overparam.runs.identity import is_config_key

NOISE = "data.label_noise"


def cost_of_noise(setup: Setup, experiment: str) -> Source:
    """Train an experiment with and without label noise; a row is a run with noise, with the column `cost`.

    The cost is the rise of the test error by the noise, over the share of wrong labels: 0 is benign, 1 what a nearest
    neighbour in dense data pays (Mallinar et al. 2022). The run without noise is that of the same seed and setting; a
    cost without one is null.

    Args:
        setup: where, over which seeds, and with whose configs.
        experiment: a file of configs/experiment/ whose grid has `data.label_noise` 0 and others.
    """
    table, names = runs(setup, experiment)
    swept = [
        key for key in table.columns if is_config_key(key) and table[key].n_unique() > 1 and key != NOISE
    ]
    clean = table.filter(pl.col(NOISE) == 0).select(*swept, clean_test_error="test_error")
    noisy = table.filter(pl.col(NOISE) > 0).join(
        clean, on=swept, how="left", validate="m:1", nulls_equal=True
    )
    return noisy.with_columns(cost=(pl.col("test_error") - pl.col("clean_test_error")) / pl.col(NOISE)), names
