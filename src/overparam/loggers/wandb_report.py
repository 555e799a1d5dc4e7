"""What W&B holds about a whole sweep beside its runs: a report run with its figures, curves and table."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from overparam.loggers.wandb_start import finish, own_id, start
from overparam.runs.state import describe

log = logging.getLogger(__name__)

POINT = ("step", "lineKey", "lineVal")  # the columns of W&B's chart of lines
KEEP = ("project", "entity", "mode", "init_timeout", "finish_timeout")


@dataclass(frozen=True)
class Chart:
    """Lines that W&B draws."""

    name: str
    title: str
    x: str  # what is along the axis
    points: Sequence[tuple[float, str, float]]  # x, the name of the line, y


def log_report(
    folder: Path,
    logger: Mapping[str, Any],
    figures: Sequence[Path],
    table: pl.DataFrame,
    numbers: Mapping[str, Any],
    charts: Sequence[Chart] = (),
) -> None:
    """Log figures and the table over seeds as the W&B run `report-<sweep>`, beside the sweep's own runs.

    Made again, it replaces itself: the folder's report has an id of its own. What W&B does not take costs a warning.

    Args:
        folder: the sweep's folder; W&B's files go to `report/wandb/` in it.
        logger: the `logger` section of the sweep's config.
        figures: image files.
        table: a row a setting.
        numbers: what goes into the run's summary.
        charts: curves that W&B draws.
    """
    try:
        _log_report(folder, logger, figures, table, numbers, charts)
    except Exception as error:
        log.warning("W&B has not got the report of %s (%s)", folder, describe(error))


def _log_report(
    folder: Path,
    logger: Mapping[str, Any],
    figures: Sequence[Path],
    table: pl.DataFrame,
    numbers: Mapping[str, Any],
    charts: Sequence[Chart] = (),
) -> None:
    import wandb

    run = start_run(folder / "report", folder.name, logger, "report")
    exit_code = 1
    try:
        pictures: dict[str, Any] = {figure.stem: wandb.Image(str(figure)) for figure in figures}
        drawn = {
            chart.name: wandb.plot_table(
                "wandb/lineseries/v0",
                wandb.Table(columns=[*POINT], data=[list(point) for point in chart.points]),
                dict(zip(POINT, POINT, strict=True)),
                {"title": chart.title, "xname": chart.x},
            )
            for chart in charts
        }
        run.log({**pictures, **drawn, "table": as_table(table)})
        run.summary.update(dict(numbers))
        exit_code = 0
    finally:
        finish(run, exit_code)


def start_run(out: Path, sweep: str, logger: Mapping[str, Any], kind: str) -> Any:
    """Start a W&B run about a whole sweep, which replaces an earlier one of its kind; W&B's files go to `out`."""
    for old in (out / "wandb").glob("offline-run-*"):
        shutil.rmtree(old)
    out.mkdir(parents=True, exist_ok=True)
    name = f"{kind}-{sweep}"
    options = {key: logger[key] for key in KEEP if key in logger}
    run_id = own_id(out, name, continues=True)
    return start(directory=out, run_id=run_id, name=name, group=sweep, job_type=kind, **options)


def as_table(table: pl.DataFrame) -> Any:
    """Return a table as W&B has it."""
    import wandb

    return wandb.Table(columns=[*table.columns], data=[list(row) for row in table.iter_rows()])
