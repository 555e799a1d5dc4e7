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
from rich.table import Table
from rich.text import Text

from overparam.analysis.axes import short_name, value_text
from overparam.analysis.code import mixed_codes
from overparam.analysis.collect import as_parquet, collect, collect_steps, measured, swept, with_last_logged
from overparam.analysis.curves import over_seeds
from overparam.analysis.figures import NOISE, SAMPLES, error_figure, is_regression, save
from overparam.analysis.lines import line_figure
from overparam.analysis.local_page import write_page
from overparam.analysis.maps import heat_map, step_figure
from overparam.analysis.stamps import CONFIG, MADE_FROM, REPORT, fingerprint, stamped_runs
from overparam.analysis.tables import write_csv
from overparam.errors import ConfigError, printable
from overparam.loggers.wandb_report import log_report, save_workspace
from overparam.runs.summary import whole

COLUMNS = ["params_per_sample", "train_error", "train_error_noisy", "test_error", "test_loss"]
MOST_ROWS, MOST_MEASURES = 40, 6  # of the printed table
WANDB = f"{__name__.partition('.')[0]}.loggers.wandb.wandb_run"


def report(folder: Path) -> list[Path]:
    """Print the sweep's table, write tables and figures to `<folder>/report/`, and return the files written.

    Raises:
        FileNotFoundError: if no run in `folder` is finished.
    """
    made_from = fingerprint(stamped_runs(folder))
    steps = collect_steps(folder)
    runs = with_last_logged(_with_sizes(collect(folder)), steps)
    table = runs.filter(status="finished")
    if table.is_empty():
        raise FileNotFoundError(f"no run in {folder} is finished")
    keys = swept(table)
    out = folder / REPORT
    out.mkdir(exist_ok=True)
    validation = [] if table["val_error"].is_null().all() else ["val_error"]
    more = [*validation, *measured(table)]
    summary = over_seeds(table, keys or ["name"], [*COLUMNS, *more])
    (out / MADE_FROM).unlink(missing_ok=True)  # until all files are there
    if several := mixed_codes(table, keys):
        made_by = table.group_by(keys or ["name"]).agg(pl.col("code").unique().sort().str.join(" | "))
        summary = summary.join(
            made_by, on=keys or ["name"], how="left", nulls_equal=True, maintain_order="left"
        )
    with whole(out / "table.csv") as file:
        write_csv(summary, file)
    files = [out / "table.csv", *write_tables(runs, steps, out)]
    print_table(summary, keys, more)
    if several:
        Console().print(several, highlight=False, soft_wrap=True, markup=False)
    for warning, count in (
        table["warnings"].explode().drop_nulls().value_counts(sort=True).head(5).iter_rows()
    ):
        Console().print(
            Text(printable(f"warning of {count} of {len(table)} runs: {warning}")), soft_wrap=True
        )
    for name, figure in figures(table, steps, keys, folder.name):
        files += save(figure, out / name)
    for old in {*out.glob("error_*.p??"), *out.glob("loss_*.p??")} - set(files):
        old.unlink()  # what was swept has changed
    # Keys that differ only between runs that failed get a filter too.
    configured = swept(runs.filter(pl.col("seed").is_not_null()))
    files.append(write_page(out / "index.html", folder.name, runs, steps, configured))
    logger = wandb_settings(folder, table)
    if logger:
        count = dict(runs["status"].value_counts().iter_rows())
        numbers = {status: count.get(status, 0) for status in ("finished", "failed", "unfinished")}
        numbers["best_test_error"] = table["test_error"].min()
        log_report(folder, logger, [file for file in files if file.suffix == ".png"], summary, numbers)
    with whole(out / MADE_FROM) as file:
        file.write_text(made_from)
    for file in files:
        if file.name in ("figure.png", "index.html"):
            Console().print(Text(printable(str(file))), soft_wrap=True)
    return files


def _with_sizes(runs: pl.DataFrame) -> pl.DataFrame:
    """Where n was swept, replace null, which means the whole pool, by its size."""
    if SAMPLES not in runs.columns or runs.filter(pl.col("seed").is_not_null())[SAMPLES].n_unique() < 2:
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
    return save_workspace(folder.name, logger, swept(table))


def figures(
    table: pl.DataFrame, steps: pl.DataFrame, keys: list[str], title: str
) -> Iterator[tuple[str, Figure]]:
    """Yield the name and the figure of every view that the swept `keys` allow.

    Error and loss against every numeric key; against P/n where that is not the same axis; against the steps;
    heat maps over every pair of numeric keys with three values or more, and of such a key with the steps. The
    error against the numeric key with most values comes first and is called "figure"; if no key is numeric, it
    is drawn beside the names.
    """
    numeric = [key for key in keys if table[key].dtype.is_numeric() and table[key].null_count() == 0]
    # Noise tells lines apart, unless nothing else was swept.
    numeric = [key for key in numeric if key != NOISE] + [key for key in numeric if key == NOISE]
    quantities = ["error"] if is_regression(table) else ["error", "loss"]
    if keys and not numeric:
        errors = ["test_error", "train_error"]
        yield "figure", line_figure(table.sort(keys), title, keys[0], errors, keys[1:], ylabel="error")
    for x in numeric:
        series = [key for key in keys if key != x]
        for quantity in quantities:
            is_first = (x, quantity) == (numeric[0], "error")
            name = "figure" if is_first else f"{quantity}_vs_{short_name(x)}"
            yield name, error_figure(table, x, series, title, quantity)
    along = numeric[:1]
    sizes = table.select("params_per_sample", *along).n_unique()
    if sizes > max([2, *(table[key].n_unique() for key in along)]):
        series = [key for key in keys if key not in along]
        yield "error_vs_params_per_sample", error_figure(table, "params_per_sample", series, title)
    joined = steps.drop_nulls("test_error").join(table.select("identity", *keys), on="identity")
    if joined.is_empty():
        return
    lines = numeric[0] if numeric else keys[0] if keys else None
    yield "error_vs_step", step_figure(joined, lines, [key for key in keys if key != lines], title)
    long = [key for key in numeric if table[key].n_unique() > 2]
    if long:
        others = [key for key in keys if key != long[0]]
        yield f"error_over_{short_name(long[0])}_and_step", heat_map(joined, long[0], "step", others, title)
    for x, y in combinations([key for key in long if key != NOISE], 2):
        others = [key for key in keys if key not in (x, y)]
        yield f"error_over_{short_name(x)}_and_{short_name(y)}", heat_map(table, x, y, others, title)


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


def print_table(summary: pl.DataFrame, keys: list[str], more: list[str]) -> None:
    """Print the means over seeds, a row for each setting.

    Args:
        summary: see `over_seeds`.
        keys: the swept config keys.
        more: columns to show beside the errors, the first few.
    """
    shown = Table()
    headers = [*map(short_name, keys), "P/n", "train error", "noise fitted", "test error"]
    with_code = "code" in summary.columns
    last = ["seeds", "code"] if with_code else ["seeds"]
    for header in (*headers, *(key.replace("_", " ") for key in more[:MOST_MEASURES]), *last):
        shown.add_column(Text(printable(header)))
    for row in summary.head(MOST_ROWS).iter_rows(named=True):
        fitted, std = row["train_error_noisy"], row["test_error_std"]
        shown.add_row(
            *(Text(value_text(row[key])) for key in keys),
            f"{row['params_per_sample']:.2f}",
            f"{row['train_error']:.3f}",
            "" if fitted is None else f"{1 - fitted:.2f}",
            f"{row['test_error']:.3f}" + ("" if std is None else f" ± {std:.3f}"),
            *("" if row[key] is None else value_text(row[key]) for key in more[:MOST_MEASURES]),
            str(row["seeds"]),
            *([row["code"]] if with_code else []),
        )
    Console().print(shown)
    cut = {"rows": len(summary) - MOST_ROWS, "columns": len(more) - MOST_MEASURES}
    if left := [f"{count} more {name}" for name, count in cut.items() if count > 0]:
        Console().print(f"and {' and '.join(left)}, in table.csv")
