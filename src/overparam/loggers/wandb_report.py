"""What W&B holds about a whole sweep: a report run with its figures and table, and a saved view of its runs."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from overparam.loggers.wandb_start import DEFAULT_PROJECT, finish, own_id, said, start
from overparam.runs.state import describe

log = logging.getLogger(__name__)

KEEP = ("project", "entity", "mode", "init_timeout", "finish_timeout")


def log_report(
    folder: Path,
    logger: Mapping[str, Any],
    figures: Sequence[Path],
    table: pl.DataFrame,
    numbers: Mapping[str, Any],
) -> None:
    """Log figures and the table over seeds as the W&B run `report-<sweep>`, beside the sweep's own runs.

    Made again, it replaces itself: the folder's report has an id of its own. What W&B does not take costs a warning.

    Args:
        folder: the sweep's folder; W&B's files go to `report/wandb/` in it.
        logger: the `logger` section of the sweep's config.
        figures: image files.
        table: a row a setting.
        numbers: what goes into the run's summary.
    """
    try:
        _log_report(folder, logger, figures, table, numbers)
    except Exception as error:
        log.warning("W&B has not got the report of %s (%s)", folder, describe(error))


def _log_report(
    folder: Path,
    logger: Mapping[str, Any],
    figures: Sequence[Path],
    table: pl.DataFrame,
    numbers: Mapping[str, Any],
) -> None:
    import wandb

    out = folder / "report"
    for old in (out / "wandb").glob("offline-run-*"):
        shutil.rmtree(old)  # what this one replaces
    options = {key: logger[key] for key in KEEP if key in logger}
    run = start(
        directory=out,
        run_id=own_id(out, f"report-{folder.name}", continues=True),
        name=f"report-{folder.name}",
        group=folder.name,
        job_type="report",
        **options,
    )
    exit_code = 1
    try:
        pictures: dict[str, Any] = {figure.stem: wandb.Image(str(figure)) for figure in figures}
        rows = [list(row) for row in table.iter_rows()]
        run.log({**pictures, "table": wandb.Table(columns=[*table.columns], data=rows)})
        run.summary.update(dict(numbers))
        exit_code = 0
    finally:
        finish(run, exit_code)


def save_workspace(sweep: str, logger: Mapping[str, Any], keys: Sequence[str]) -> str:
    """Save a W&B view of a sweep: test error against P/n and every swept key, curves by step; return its address.

    Args:
        sweep: the sweep's name, W&B's group.
        logger: the `logger` section of the sweep's config.
        keys: the swept config keys.

    Raises:
        ImportError: without wandb-workspaces.
    """
    import wandb
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws

    entity = str(said(logger.get("entity"), "WANDB_ENTITY") or wandb.Api().default_entity)
    group = said(None, "WANDB_RUN_GROUP", sweep)

    def scatter(x: Any, title: str) -> Any:
        return wr.ScatterPlot(title=title, x=x, y=wr.SummaryMetric("test_error"), log_x=True)

    against: list[Any] = [scatter(wr.SummaryMetric("params_per_sample"), "test error against P/n")]
    against += [scatter(wr.Config(key), f"test error against {key}") for key in keys]
    steps: list[Any] = [
        wr.LinePlot(title=f"{part} error", x="trainer/global_step", y=[f"{part}_error"], log_x=True)
        for part in ("test", "train")
    ]
    view = ws.Workspace(
        entity=entity,
        project=said(logger["project"], "WANDB_PROJECT", DEFAULT_PROJECT),
        name=sweep,
        sections=[
            ws.Section(name="Double descent", panels=against, is_open=True),
            ws.Section(name="Over training", panels=steps, is_open=True),
        ],
        runset_settings=ws.RunsetSettings(
            filters=[ws.Metric("Group") == group, ws.Metric("JobType") == "train"],
            groupby=[ws.Config(key) for key in keys[:1]],
        ),
    )
    view.save()
    return view.url
