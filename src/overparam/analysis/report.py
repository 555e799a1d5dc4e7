"""From a sweep's folder to its figure and its table."""

import json
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from overparam.analysis.collect import REPORT, collect, collect_steps, swept
from overparam.analysis.curves import over_seeds
from overparam.analysis.figures import error_figure, save

COLUMNS = ["params_per_sample", "train_error", "train_error_noisy", "test_error", "test_loss"]


def report(folder: Path) -> list[Path]:
    """Print the sweep's table, write table and figure to `<folder>/report/`, and return the files written.

    Raises:
        FileNotFoundError: if no run in `folder` is finished.
    """
    runs = collect(folder)
    table = runs.filter(status="finished")
    if table.is_empty():
        raise FileNotFoundError(f"no run in {folder} is finished")
    keys = swept(table)
    out = folder / REPORT
    out.mkdir(exist_ok=True)
    summary = over_seeds(table, keys or ["name"], COLUMNS)
    summary.write_csv(out / "table.csv")
    files = [out / "table.csv", *write_tables(runs, collect_steps(folder), out)]
    _print(summary, keys)
    numeric = [key for key in keys if table[key].dtype.is_numeric()]
    if numeric:
        x, series = numeric[0], [key for key in keys if key != numeric[0]]
        files += save(error_figure(table, x, series, folder.name), out / "figure")
    Console().print("\n".join(str(file) for file in files), highlight=False, soft_wrap=True)
    return files


def write_tables(runs: pl.DataFrame, steps: pl.DataFrame, out: Path) -> list[Path]:
    """Write `runs` and `steps` as Parquet, which keeps types, and as CSV, in which a list is JSON text."""
    files = []
    for name, table in (("runs", runs), ("steps", steps)):
        files += [out / f"{name}.parquet", out / f"{name}.csv"]
        table.write_parquet(files[-2])
        lists = [key for key, dtype in table.schema.items() if isinstance(dtype, pl.List)]
        table.with_columns(pl.col(lists).map_elements(_json, return_dtype=pl.String)).write_csv(files[-1])
    return files


def _json(values: pl.Series) -> str:
    return json.dumps(values.to_list())


def _print(summary: pl.DataFrame, keys: list[str]) -> None:
    shown = Table(*keys, "P/n", "train error", "noise fitted", "test error", "seeds")
    for row in summary.iter_rows(named=True):
        fitted = row["train_error_noisy"]
        std = row["test_error_std"]
        shown.add_row(
            *(str(row[key]) for key in keys),
            f"{row['params_per_sample']:.2f}",
            f"{row['train_error']:.3f}",
            "" if fitted is None else f"{1 - fitted:.2f}",
            f"{row['test_error']:.3f}" + ("" if std is None else f" ± {std:.3f}"),
            str(row["seeds"]),
        )
    Console().print(shown)
