"""A saved view of a sweep in W&B: the local figures' curves, and its runs by setting, regime and measure."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl

from overparam.loggers.wandb_report import POINT, Chart, as_table, start_run
from overparam.loggers.wandb_start import DEFAULT_PROJECT, finish, said

LEDGER = {"number", "name", "claim", "verdict", "effect_lines"}  # what is read of an entry


def save_workspace(
    folder: Path,
    logger: Mapping[str, Any],
    charts: Sequence[Chart],
    numbers: Sequence[str],
    names: Sequence[str],
    measures: Sequence[str],
) -> str:
    """Save a W&B view of a sweep and return its address.

    The curves of the sweep's figures, which its report run holds; its runs, grouped by setting, against every swept key
    and P/n; by regime; by measure; over training; and the ledger of claims, where claims were judged.

    Args:
        folder: the sweep's folder; its name is W&B's group. The ledger is beside it, see `ledger`.
        logger: the `logger` section of the sweep's config.
        charts: those of the report run.
        numbers: the swept config keys that are numbers.
        names: the others.
        measures: what else the runs measured.

    Raises:
        ImportError: without wandb-workspaces.
    """
    import wandb
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws

    entity = str(said(logger.get("entity"), "WANDB_ENTITY") or wandb.Api().default_entity)
    group = said(None, "WANDB_RUN_GROUP", folder.name)
    claims = ledger(folder.parent)
    if claims is not None:
        _log_claims(folder, logger, claims)

    def curve(chart: Chart) -> Any:
        return wr.CustomChart(
            query={"summaryTable": {"tableKey": f"{chart.name}_table"}},
            chart_name="wandb/lineseries/v0",
            chart_fields=dict(zip(POINT, POINT, strict=True)),
            chart_strings={"title": chart.title, "xname": chart.x},
        )

    def scatter(x: Any, name: str, y: str, log_y: bool = False) -> Any:
        title = f"{y.replace('_', ' ')} against {name}"
        return wr.ScatterPlot(title=title, x=x, y=wr.SummaryMetric(y), log_x=True, log_y=log_y)

    def bars(key: str, y: str) -> Any:
        title, by = f"{y.replace('_', ' ')} by {key}", wr.Config(key)
        return wr.BarPlot(
            title=title, metrics=[y], groupby=by, groupby_aggfunc="mean", groupby_rangefunc="minmax"
        )

    def over_steps(*keys: str, **options: Any) -> Any:
        title = f"{' and '.join(key.replace('_', ' ') for key in keys)}: mean ± standard error"
        # Over the runs of a group, which are the seeds of a setting; W&B has no interval of 95%.
        options |= {"aggregate": True, "groupby_aggfunc": "mean", "groupby_rangefunc": "stderr"}
        return wr.LinePlot(title=title, x="trainer/global_step", y=list(keys), log_x=True, **options)

    size = wr.SummaryMetric("params_per_sample")
    along = wr.Config(numbers[0]) if numbers else size
    sections = {
        "Double descent": [
            *(curve(chart) for chart in charts if chart.name != "regimes"),
            scatter(size, "P/n", "test_error"),
            *(scatter(wr.Config(key), key, "test_error") for key in numbers),
            *(bars(key, "test_error") for key in names),
        ],
        "By regime": [
            *(curve(chart) for chart in charts if chart.name == "regimes"),
            scatter(size, "P/n", "train_error"),
            scatter(size, "P/n", "interpolation_step", log_y=True),
        ],
        "Measures": [scatter(along, numbers[0] if numbers else "P/n", measure) for measure in measures],
        "Over training": [
            over_steps("test_error", "train_error"),
            over_steps("test_loss", "train_loss", log_y=True),
            over_steps("train_error_clean", "train_error_noisy"),
        ],
        "Claims": [] if claims is None else [wr.WeavePanelSummaryTable(table_name="claims")],
    }
    view = ws.Workspace(
        entity=entity,
        project=said(logger["project"], "WANDB_PROJECT", DEFAULT_PROJECT),
        name=folder.name,
        sections=[
            ws.Section(name=name, panels=panels, is_open=True) for name, panels in sections.items() if panels
        ],
        runset_settings=ws.RunsetSettings(
            filters=[ws.Metric("Group") == group, ws.Metric("JobType").isin(["train", "report", "claims"])],
            groupby=[ws.Config(key) for key in (*numbers, *names)],
            # A chart looks at the first 500 runs, of which the report is to be one.
            order=[ws.Ordering(ws.Metric("CreatedTimestamp"), ascending=False)],
        ),
    )
    view.save()
    return view.url


def ledger(logs: Path) -> pl.DataFrame | None:
    """Return the claims that were judged by runs of `logs`: a row a claim, or None if there are none.

    Their files are those of `overparam.claims.ledger`; one that cannot be read is left out.
    """
    entries = []
    for path in sorted((logs / "claims").glob("[!.]*.json")):
        with suppress(OSError, ValueError):
            entry = json.loads(path.read_bytes())
            if isinstance(entry, dict) and entry.keys() >= LEDGER:
                entries.append(entry)
    if not entries:
        return None
    entries.sort(key=lambda entry: (entry["number"], entry["name"]))
    shown = [{**entry, "effects": "\n".join(entry["effect_lines"])} for entry in entries]
    return pl.DataFrame(shown).select("number", "name", "claim", "verdict", "effects")


def _log_claims(folder: Path, logger: Mapping[str, Any], claims: pl.DataFrame) -> None:
    run = start_run(folder / "report" / "claims", folder.name, logger, "claims")
    exit_code = 1
    try:
        run.log({"claims": as_table(claims)})
        exit_code = 0
    finally:
        finish(run, exit_code)
