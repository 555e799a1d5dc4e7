"""From a sweep's folder to its tables and figures."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.figure import Figure
from omegaconf import OmegaConf
from rich.console import Console
from rich.text import Text

from overparam.analysis.axes import label, short_name, spoken
from overparam.analysis.charts import charts, numeric_keys
from overparam.analysis.code import mixed_codes
from overparam.analysis.collect import as_parquet, collect, collect_steps, measured, with_last_logged
from overparam.analysis.curves import over_seeds
from overparam.analysis.drawing import save
from overparam.analysis.figures import SAMPLES, curve_figure, error_figure, is_regression
from overparam.analysis.layout import NOISE, lay_out
from overparam.analysis.local_page import write_page
from overparam.analysis.maps import heat_map
from overparam.analysis.over_steps import overlaid_figure, rate_figure, step_figure
from overparam.analysis.printed import print_settings
from overparam.analysis.stamps import CONFIG, MADE_FROM, REPORT, find_sweeps, fingerprint, stamped_runs
from overparam.analysis.swept import swept
from overparam.analysis.tables import write_csv
from overparam.analysis.views import derived, replaced_key, view_figure
from overparam.errors import ConfigError, counted, printable
from overparam.locks import locked
from overparam.loggers.wandb_report import log_report
from overparam.loggers.wandb_view import save_workspace
from overparam.runs.names import require_text
from overparam.runs.summary import whole
from overparam.runs.views import View, views_of

COLUMNS = ["params_per_sample", "train_error", "train_error_noisy", "test_error", "test_loss"]
MOST_MEASURES = 6  # that are drawn
VIEWS = "views"  # in the report's folder: figures that were asked for
WANDB = f"{__name__.partition('.')[0]}.loggers.wandb.wandb_run"


def report(folder: Path) -> list[Path]:
    """Print the sweep's table, write tables and figures to `<folder>/report/`, and return the files written.

    Raises:
        FileNotFoundError: if no run in `folder` has finished or failed.
    """
    require_text(folder)
    next(folder.iterdir(), None)  # says so, if it is no folder
    find_sweeps([folder])  # ... or has no run, before a lock is left in it
    with locked(folder / ".report.lock"):  # sweeps that share their runs end at once
        return _report(folder)


def _report(folder: Path) -> list[Path]:
    made_from = fingerprint(stamped_runs(folder))
    steps = collect_steps(folder)
    runs = with_last_logged(_with_sizes(collect(folder)), steps)
    table = runs.filter(status="finished")
    configured = _configured(runs)
    if (configured["status"] == "unfinished").all():
        raise FileNotFoundError(f"no run in {folder} has ended that has a config")
    keys = swept(configured)
    out = folder / REPORT
    out.mkdir(exist_ok=True)
    validation = [] if table["val_error"].is_null().all() else ["val_error"]
    more = [*validation, *measured(table)]
    summary = with_failed(
        over_seeds(table, keys or ["name"], [*COLUMNS, *more]), configured, keys or ["name"]
    )
    (out / MADE_FROM).unlink(missing_ok=True)  # until all files are there
    if several := mixed_codes(table, keys):
        made_by = table.group_by(keys or ["name"]).agg(pl.col("code").unique().sort().str.join(" | "))
        summary = summary.join(
            made_by, on=keys or ["name"], how="left", nulls_equal=True, maintain_order="left"
        )
    with whole(out / "table.csv") as file:
        write_csv(summary, file)
    files = [out / "table.csv", *write_tables(runs, steps, out)]
    print_settings(summary, keys, more)
    if several:
        Console().print(several, highlight=False, soft_wrap=True, markup=False)
    for line in warnings(table):
        Console().print(Text(printable(line)), soft_wrap=True)
    for name, figure in figures(configured, steps, keys, folder.name):
        files += save(figure, out / name)
    drawn = (path for pattern in ("*_vs_*.p??", "error_over_*.p??") for path in out.glob(pattern))
    for old in set(drawn) - set(files):
        old.unlink()  # what was swept has changed
    files += _views(folder, configured, steps, keys)
    studies = [path for pattern in ("*.csv", "*.png") for path in folder.glob(f"studies/{pattern}")]
    files.append(write_page(out / "index.html", folder.name, runs, steps, keys, [*files, *studies]))
    logger = wandb_settings(folder, table)
    if logger:
        count = dict(runs["status"].value_counts().iter_rows())
        numbers = {status: count.get(status, 0) for status in ("finished", "failed", "unfinished")}
        numbers["best_test_error"] = table["test_error"].min()
        pictures = [file for file in files if file.suffix == ".png"]
        log_report(folder, logger, pictures, summary, numbers, [*charts(table, keys)])
    with whole(out / MADE_FROM) as file:
        file.write_text(made_from, "utf-8")
    for file in files:
        if file.name in ("figure.png", "index.html"):
            Console().print(Text(printable(str(file))), soft_wrap=True)
    return files


def warnings(table: pl.DataFrame) -> Iterator[str]:
    """Yield the commonest warnings of runs in a line each; those that differ in their numbers alone are one."""
    found = table.select(pl.col("warnings").explode()).drop_nulls()
    alike = pl.col("warnings").str.replace_all(r"\d[\d.]*(e[+-]?\d+)?", "#")
    groups = found.group_by(alike.alias("kind"), maintain_order=True).agg(
        pl.len(), pl.col("warnings").first(), several=pl.col("warnings").n_unique() > 1
    )
    for _, count, warning, several in groups.sort("len", descending=True).head(5).iter_rows():
        such = "such as " if several else ""
        yield f"warning of {count} of {counted(len(table), 'run')}: {such}{warning}"


def draw_view(folder: Path, view: View) -> list[Path]:
    """Draw one figure of a sweep's runs, see `view_figure`, to `<folder>/report/views/`; return its files.

    Raises:
        ConfigError: if there is no such column.
        FileNotFoundError: if there is no run.
    """
    steps = collect_steps(folder)
    runs = _configured(with_last_logged(_with_sizes(collect(folder)), steps))
    if runs.is_empty():
        raise FileNotFoundError(f"no run in {folder} has a config")
    name, figure = view_figure(derived(runs), steps, swept(runs), view, folder.name)
    return save(figure, folder / REPORT / VIEWS / name)


def _views(folder: Path, runs: pl.DataFrame, steps: pl.DataFrame, keys: list[str]) -> list[Path]:
    """Draw the figures that the config of the newest run asks for; one that cannot be drawn costs itself."""
    configs = [path for name in runs["identity"] if (path := folder / name / CONFIG).exists()]
    newest = max(configs, key=lambda path: path.stat().st_mtime, default=None)
    files: list[Path] = []
    config: Any = {}
    with suppress(Exception):  # YAML and OmegaConf have many for a file that is damaged
        config = OmegaConf.to_container(OmegaConf.load(newest)) if newest else {}
    try:
        views = views_of(config.get("report") if isinstance(config, dict) else None)
    except ConfigError as error:
        views = []
        _say(error)
    for view in views:
        try:
            name, figure = view_figure(derived(runs), steps, keys, view, folder.name)
        except ConfigError as error:
            _say(error)
            continue
        files += save(figure, folder / REPORT / VIEWS / name)
    return files


def _say(error: ConfigError) -> None:
    Console().print(Text(f"report: {printable(str(error))}"), soft_wrap=True)


def with_failed(summary: pl.DataFrame, runs: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Return the table of settings with those of which no run finished, and how many of each failed, where any did.

    Args:
        summary: see `over_seeds`.
        runs: all runs whose settings are known, whatever became of them.
        keys: the swept keys.
    """
    failed = (pl.col("status") == "failed").sum().alias("failed")
    counts = runs.filter(pl.col("status") != "unfinished").group_by(keys).agg(failed).sort(keys)
    if not counts["failed"].sum():
        return summary
    joined = counts.join(summary, on=keys, how="left", nulls_equal=True, maintain_order="left")
    return joined.select(*summary.columns, "failed").with_columns(pl.col("seeds").fill_null(0))


def _configured(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the runs of which the config is known: that of another program, or a damaged one, has no seed."""
    return runs.filter(pl.col("seed").is_not_null()) if "seed" in runs.columns else runs.clear()


def _with_sizes(runs: pl.DataFrame) -> pl.DataFrame:
    """Where n was swept, replace null, which means the whole pool, by its size."""
    if SAMPLES not in runs.columns or _configured(runs)[SAMPLES].n_unique() < 2:
        return runs
    return runs.with_columns(pl.coalesce(SAMPLES, "n_train").alias(SAMPLES))


def wandb_settings(folder: Path, runs: pl.DataFrame) -> dict[str, Any] | None:
    """Return the knobs of the lab's W&B logger in the first of `runs`, finished ones of the sweep in `folder`."""
    config: Any = {}
    for identity in runs["identity"]:
        with suppress(Exception):  # YAML and OmegaConf have many for a file that is damaged
            config = OmegaConf.to_container(OmegaConf.load(folder / identity / CONFIG))
            break
    loggers = (config.get("logger") if isinstance(config, dict) else None) or {}
    nodes = [node for node in loggers.values() if isinstance(node, dict) and node.get("_target_") == WANDB]
    if "project" in loggers:  # before there could be several loggers, its knobs stood alone
        nodes.append(loggers)
    return nodes[0] if nodes else None


def workspace(folder: Path) -> str:
    """Save a W&B view of the sweep in `folder` and return its address.

    Raises:
        FileNotFoundError: if no run is there.
        ConfigError: if no finished run was logged to W&B.
    """
    table = collect(folder).filter(status="finished")
    logger = wandb_settings(folder, table) if len(table) else None
    if logger is None:
        raise ConfigError(f"no finished run in {folder} was logged to W&B: train with logger=wandb")
    keys = swept(table)
    numeric = numeric_keys(table, keys)
    names = [key for key in keys if key not in numeric]
    more = measured(with_last_logged(table, collect_steps(folder)))
    return save_workspace(folder, logger, [*charts(table, keys)], numeric, names, more)


def figures(
    runs: pl.DataFrame, steps: pl.DataFrame, keys: list[str], title: str
) -> Iterator[tuple[str, Figure]]:
    """Yield the name and the figure of every view that the swept `keys` allow.

    Error and loss against every numeric key; against P/n where that is not the same axis; the generalization gap, the
    noise that was fitted and what measures say against the first; against the steps; heat maps over every pair of
    numeric keys with three values or more, and of such a key with the steps. The error against the numeric key with
    most values comes first and is called "figure"; if no key is numeric, it is drawn beside the names.

    Args:
        runs: a row for each run, failed ones too.
        steps: a row for each evaluation.
        keys: the swept keys.
        title: the sweep's name.
    """
    table = runs.filter(status="finished")
    short = [short_name(key) for key in keys]  # of which two may be the same
    names = {k: s if short.count(s) == 1 else k.replace(".", "_") for k, s in zip(keys, short, strict=True)}
    numeric = numeric_keys(runs, keys)
    quantities = ["error"] if is_regression(table) else ["error", "loss"]
    axes = numeric or keys[:1]
    for x in axes:
        for quantity in quantities:
            is_first = (x, quantity) == (axes[0], "error")
            name = "figure" if is_first else f"{quantity}_vs_{names[x]}"
            yield name, error_figure(runs, x, keys, title, quantity)
    if table.is_empty():
        return
    for x in axes[:1]:
        yield from _more_figures(runs, x, keys, title)
    size = "params_per_sample"  # unless it is but another name of a key
    if table[size].n_unique() > 2 and all(
        table.select(key, size).n_unique() > table[key].n_unique() for key in keys
    ):
        series = [key for key in keys if key != replaced_key(table, keys, size)]
        yield f"error_vs_{size}", error_figure(table, size, series, title)
    logged = steps.join(table.select("identity", "status", *keys), on="identity")
    first = [*axes[:1], *(key for key in keys if key not in axes[:1])]
    joined = logged.drop_nulls("test_error")
    if joined.is_empty():
        return
    yield "error_vs_step", step_figure(joined, first, title)
    if first:
        yield f"test_and_train_vs_step_by_{names[first[0]]}", overlaid_figure(joined, first, title)
    for rate in [column for column in steps.columns if column.startswith("lr-")][:1]:
        yield "learning_rate_vs_step", rate_figure(logged.drop_nulls(rate), rate, first, title)
    long = [key for key in numeric if table[key].n_unique() > 2]
    if long:
        others = [key for key in keys if key != long[0]]
        yield f"error_over_{names[long[0]]}_and_step", heat_map(joined, long[0], "step", others, title)
    for x, y in combinations([key for key in long if key != NOISE], 2):
        others = [key for key in keys if key not in (x, y)]
        yield f"error_over_{names[x]}_and_{names[y]}", heat_map(table, x, y, others, title)


def _more_figures(runs: pl.DataFrame, x: str, keys: list[str], title: str) -> Iterator[tuple[str, Figure]]:
    """Yield what else there is to see along a key."""
    table = derived(runs)
    found = [column for column in ("noise_fitted", "val_error") if not table[column].is_null().all()]
    for column in ["gap_error", *found, *measured(runs)[:MOST_MEASURES]]:
        name = f"{short_name(column)}_vs_{short_name(x)}"
        shown = table.filter((pl.col("status") != "finished") | pl.col(column).is_not_null())
        if column == "noise_fitted" and NOISE in keys:
            shown = shown.filter(pl.col(NOISE) > 0)
        layout = lay_out(shown, x, keys)
        yield name, curve_figure(shown, layout, {column: spoken(column)}, title, label(column))


def write_tables(runs: pl.DataFrame, steps: pl.DataFrame, out: Path) -> list[Path]:
    """Write `runs` and `steps` as Parquet, which keeps types, and as CSV."""
    files = []
    for name, table in (("runs", runs), ("steps", steps)):
        files += [out / f"{name}.parquet", out / f"{name}.csv"]
        with whole(files[-2]) as file:
            file.write_bytes(as_parquet(table))
        with whole(files[-1]) as file:
            write_csv(table, file)
    return files
