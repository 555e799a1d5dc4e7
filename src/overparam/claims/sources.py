"""Where the table of a claim comes from: a row a measurement, with a column `seed`.

A source is a function `source(place, **knobs) -> DataFrame`. Those that need training start the sweep, which
trains what is not finished.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from hydra.utils import get_method
from omegaconf import OmegaConf

from overparam.analysis.collect import collect, collect_steps
from overparam.studies.study import study as apply_study
from overparam.tracking.provenance import ROOT


@dataclass(frozen=True)
class Place:
    """Where a ledger's runs are, and over which seeds."""

    logs: Path
    seeds: tuple[int, ...]


def runs(place: Place, experiment: str, sweeps: Sequence[Sequence[str]] = ((),)) -> pl.DataFrame:
    """Train an experiment and return a row a run: its summary and its config values by dotted key.

    Args:
        place: where, and over which seeds.
        experiment: a file of configs/experiment/.
        sweeps: lists of overrides, a sweep each, for grids that are no product.
    """
    folder = _train(place, experiment, sweeps)
    return collect(folder).filter(pl.col("status") == "finished", pl.col("seed").is_in(place.seeds))


def steps(
    place: Place,
    experiment: str,
    sweeps: Sequence[Sequence[str]] = ((),),
    reach: dict[str, dict[str, float]] | None = None,
) -> pl.DataFrame:
    """Train an experiment and return a row an evaluation: the metrics at its step, and the run's config.

    Args:
        place: where, and over which seeds.
        experiment: a file of configs/experiment/.
        sweeps: as in `runs`.
        reach: new columns, of a row a run then: {name: {column: bound}} is the first evaluated step at which
            `column` is at most `bound`; a run that never gets there has twice its last step.
    """
    table = runs(place, experiment, sweeps)
    keys = [c for c in table.columns if "." in c or c in ("identity", "seed", "params", "params_per_sample")]
    history = collect_steps(*(place.logs / name / i for name, i in table.select("name", "identity").rows()))
    if not reach:
        return history.join(table.select(keys), on="identity")
    columns = []
    for name, goal in reach.items():
        ((column, bound),) = goal.items()
        first = pl.col("step").filter(pl.col(column) <= bound).min()
        columns.append(first.fill_null(2 * pl.col("step").max()).alias(name))
    return table.join(history.group_by("identity").agg(columns), on="identity")


def studied(
    place: Place,
    experiment: str,
    study: str,
    sweeps: Sequence[Sequence[str]] = ((),),
    replicate: str = "seed",
    **knobs: Any,
) -> pl.DataFrame:
    """Train an experiment, apply a study to its runs, and return the study's rows.

    Args:
        place: where, and over which seeds.
        experiment: a file of configs/experiment/.
        study: a file of configs/study/.
        sweeps: as in `runs`.
        replicate: the config key that takes the ledger's seeds; "data.seed" where a study compares runs that
            differ in `seed`. The column `seed` then holds its values.
        knobs: values for the study other than its file's.
    """
    folder = _train(place, experiment, sweeps, replicate)
    config: Any = OmegaConf.to_container(OmegaConf.load(ROOT / "configs" / "study" / f"{study}.yaml"))
    function, group = get_method(config.pop("_target_")), config.pop("group")
    table = apply_study(folder, study, function, group, {**config, **knobs})
    return table.with_columns(pl.col(replicate).alias("seed")).filter(pl.col("seed").is_in(place.seeds))


def exact(place: Place, model: Callable[..., list[dict[str, Any]]], **knobs: Any) -> pl.DataFrame:
    """Return the rows of a function of overparam.exact, `model(seed, **knobs)`, for every seed."""
    rows = [{"seed": seed, **row} for seed in place.seeds for row in model(seed, **knobs)]
    return pl.DataFrame(rows, infer_schema_length=None)


def _train(place: Place, experiment: str, sweeps: Sequence[Sequence[str]], replicate: str = "seed") -> Path:
    name = experiment.replace("/", "-")
    seeds = ",".join(map(str, place.seeds))
    for overrides in sweeps:
        fixed = [
            f"experiment={experiment}",
            f"name={name}",
            f"paths.logs={place.logs}",
            f"{replicate}={seeds}",
            "hydra/launcher=local",
            "pack=auto",  # a claim is about means over seeds: equal to rounding is enough
        ]
        command = [sys.executable, str(ROOT / "scripts/train.py"), "-m", *fixed, "logger=local", *overrides]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
            raise RuntimeError(f"training {experiment} failed: {lines[-1]}")
    return place.logs / name
