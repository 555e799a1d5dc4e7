"""A larger run that a scaling law predicts before it is trained."""

import numpy as np
import polars as pl

from overparam.claims.scaling import fit
from overparam.claims.sources import Source, Sweeps, runs
from overparam.claims.trained import Setup


def predicted(setup: Setup, experiment: str, sweeps: Sweeps, value: str = "test_loss") -> Source:
    """Train all sweeps of an experiment but the last, fit the law of each seed to them, and then train the last.

    Args:
        setup: where, over which seeds, and with whose configs.
        experiment: a file of configs/experiment/.
        sweeps: overrides by the name of a sweep.
        value: the column that the law is of, see `scaling.fit`.

    Returns:
        As `sources.runs`, with a column `predicted`: what the law says of every run.
    """
    *grid, held_out = sweeps
    table, used = runs(setup, experiment, {name: sweeps[name] for name in grid})
    columns = ("params", "n_train", value)
    laws = {
        seed: fit(*(rows[column].cast(pl.Float64).to_numpy() for column in columns))
        for (seed,), rows in table.group_by("seed")
    }
    more, others = runs(setup, experiment, {held_out: sweeps[held_out]})
    table = pl.concat([table, more], how="diagonal_relaxed")
    places = table.select("seed", "params", "n_train").rows()
    said = [float(laws[seed](np.array([params]), np.array([n]))[0]) for seed, params, n in places]
    return table.with_columns(predicted=pl.Series(said)), [*used, *others]
