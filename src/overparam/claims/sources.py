"""Where the table of a claim comes from: a row for each measurement, with a column `seed`.

A source is a function `source(setup, **knobs) -> (DataFrame, identities)`: the table, and the runs it comes from.
Those that need training train the runs that are not finished.
Their knob `sweeps` names the parts of a grid that is not a product, {name: overrides}; the rows' column `sweep` tells
them apart.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from hydra.utils import get_method

from overparam.analysis.collect import collect, collect_steps
from overparam.claims.trained import Setup, compose_study, train_sweeps
from overparam.errors import ConfigError
from overparam.ranges import NonNegativeInt, PositiveInt
from overparam.runs.identity import is_config_key
from overparam.studies.study import study as apply_study
from overparam.training.knobs import typed

Sweeps = Mapping[str, Sequence[str]]
Source = tuple[pl.DataFrame, list[str]]


def runs(setup: Setup, experiment: str, sweeps: Sweeps | None = None, after: str | None = None) -> Source:
    """Train an experiment; a row is a run: its summary and its config values by dotted key.

    Args:
        setup: where, over which seeds, and with whose configs.
        experiment: a file of configs/experiment/.
        sweeps: overrides by the name of a sweep; None is the experiment as it is.
        after: another experiment, to be trained first.
    """
    used = train_sweeps(setup, after)[0] if after else []
    named = sweeps or {"": []}
    tables = []
    for name, directories in zip(named, train_sweeps(setup, experiment, list(named.values())), strict=True):
        tables.append(collect(*directories).with_columns(sweep=pl.lit(name)))
        used += directories
    return pl.concat(tables, how="diagonal_relaxed"), _names(used)


def steps(
    setup: Setup,
    experiment: str,
    sweeps: Sweeps | None = None,
    after: str | None = None,
    reach: dict[str, dict[str, float]] | None = None,
) -> Source:
    """Train an experiment; a row is an evaluation: the metrics at its step, and the run's config.

    Args:
        setup: where, over which seeds, and with whose configs.
        experiment: a file of configs/experiment/.
        sweeps: as in `runs`.
        after: as in `runs`.
        reach: with it a row is a run, with new columns {name: {column: bound}}: the first evaluated step at which
            `column` is at most `bound`, or twice the run's last step if there is none.
    """
    table, used = runs(setup, experiment, sweeps, after)
    kept = ("identity", "sweep", "params", "params_per_sample")
    keys = [column for column in table.columns if is_config_key(column) or column in kept]
    history = collect_steps(*(setup.logs / name / i for name, i in table.select("name", "identity").rows()))
    if not reach:
        return table.select(keys).join(history, on="identity", maintain_order="left_right"), used
    columns = []
    for name, goal in reach.items():
        ((column, bound),) = goal.items()
        first = pl.col("step").filter(pl.col(column) <= bound).min()
        columns.append(first.fill_null(2 * pl.col("step").max()).alias(name))
    reached = history.group_by("identity").agg(columns)
    return table.join(reached, on="identity", maintain_order="left"), used


def studied(
    setup: Setup,
    experiment: str,
    study: str,
    overrides: Sequence[str] = (),
    replicate: str = "seed",
    members: NonNegativeInt = 0,
    sets: PositiveInt = 1,
    **knobs: Any,
) -> Source:
    """Train an experiment and apply a study to its runs; a row is one of the study's.

    Args:
        setup: where, over which seeds, and with whose configs.
        experiment: a file of configs/experiment/.
        study: a file of configs/study/.
        overrides: of the experiment.
        replicate: the config key that takes the ledger's seeds; "data.seed" where a study compares runs that
            differ in `seed`. The column `seed` then holds its values.
        members: how many runs of each of the ledger's seeds a study compares, all drawn anew for every seed; 0: those
            of the experiment's own `seed`, the same for all.
        sets: with `members`, how many values of `replicate` a study compares of each of the ledger's seeds, all drawn
            anew for every seed; a row's is its first.
        knobs: values for the study in place of those in its file.
    """
    if sets > 1 and not members:
        raise ConfigError("source.sets is of seeds that have members of their own: give source.members too")
    (directories,) = train_sweeps(setup, experiment, [overrides], replicate, members, sets)
    config = compose_study(setup, study)
    function, group = get_method(config.pop("_target_")), config.pop("group")
    names = _names(directories)
    table = apply_study(directories[0].parent, study, function, group, {**config, **knobs}, names)
    return table.with_columns((pl.col(replicate) // sets).alias("seed")), names


def exact(setup: Setup, model: str, **knobs: Any) -> Source:
    """Compute a function such as those of overparam.exact; its rows are `model(seed, **knobs)` for every seed."""
    function = get_method(model)
    knobs = typed(function, knobs, prefix="source.")
    rows = [{"seed": seed, **row} for seed in setup.seeds for row in function(seed, **knobs)]
    return pl.DataFrame(rows, infer_schema_length=None), []


def _names(directories: Sequence[Path]) -> list[str]:
    return list(dict.fromkeys(directory.name for directory in directories))
