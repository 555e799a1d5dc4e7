"""Where the table of a claim comes from: a row a measurement, with a column `seed`.

A source is a function `source(setup, **knobs) -> (DataFrame, identities)`: the table, and the runs it comes from.
Those that need training train what is not finished.
Their knob `sweeps` names the parts of a grid that is no product, {name: overrides}; the rows' column `sweep` tells
them apart.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from hydra.utils import get_method
from omegaconf import OmegaConf

from overparam.analysis.collect import collect, collect_steps
from overparam.claims.trained import Setup, train_sweeps
from overparam.paths import CONFIGS
from overparam.studies.study import study as apply_study

Sweeps = Mapping[str, Sequence[str]]
Source = tuple[pl.DataFrame, list[str]]


def runs(setup: Setup, experiment: str, sweeps: Sweeps | None = None, after: str | None = None) -> Source:
    """Train an experiment; a row is a run: its summary and its config values by dotted key.

    Args:
        setup: where, and over which seeds.
        experiment: a file of configs/experiment/.
        sweeps: overrides by the name of a sweep; None is the experiment as it stands.
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
        setup: where, and over which seeds.
        experiment: a file of configs/experiment/.
        sweeps: as in `runs`.
        after: as in `runs`.
        reach: new columns, of a row a run then: {name: {column: bound}} is the first evaluated step at which
            `column` is at most `bound`; a run that never gets there has twice its last step.
    """
    table, used = runs(setup, experiment, sweeps, after)
    kept = ("identity", "seed", "sweep", "params", "params_per_sample")
    keys = [column for column in table.columns if "." in column or column in kept]
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
    **knobs: Any,
) -> Source:
    """Train an experiment and apply a study to its runs; a row is one of the study's.

    Args:
        setup: where, and over which seeds.
        experiment: a file of configs/experiment/.
        study: a file of configs/study/.
        overrides: what is other than in the experiment.
        replicate: the config key that takes the ledger's seeds; "data.seed" where a study compares runs that
            differ in `seed`. The column `seed` then holds its values.
        knobs: values for the study other than its file's.
    """
    (directories,) = train_sweeps(setup, experiment, [overrides], replicate)
    config: Any = OmegaConf.to_container(OmegaConf.load(CONFIGS / "study" / f"{study}.yaml"))
    function, group = get_method(config.pop("_target_")), config.pop("group")
    names = _names(directories)
    table = apply_study(directories[0].parent, study, function, group, {**config, **knobs}, names)
    return table.with_columns(pl.col(replicate).alias("seed")), names


def exact(setup: Setup, model: Callable[..., list[dict[str, Any]]], **knobs: Any) -> Source:
    """Compute a function of overparam.exact; its rows are `model(seed, **knobs)` for every seed."""
    rows = [{"seed": seed, **row} for seed in setup.seeds for row in model(seed, **knobs)]
    return pl.DataFrame(rows, infer_schema_length=None), []


def _names(directories: Sequence[Path]) -> list[str]:
    return list(dict.fromkeys(directory.name for directory in directories))
