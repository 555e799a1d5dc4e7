"""From a sweep's folder to its figure and its table."""

from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from overparam.analysis.collect import collect, swept
from overparam.analysis.curves import over_seeds
from overparam.analysis.figures import error_figure, save

COLUMNS = ["params_per_sample", "train_error", "train_error_noisy", "test_error", "test_loss"]


def report(folder: Path) -> list[Path]:
    """Print the sweep's table, write table and figure to `<folder>/report/`, and return the files written.

    Raises:
        FileNotFoundError: if no run in `folder` is finished.
    """
    table = collect(folder)
    keys = swept(table)
    out = folder / "report"
    out.mkdir(exist_ok=True)
    summary = over_seeds(table, keys or ["name"], COLUMNS)
    summary.write_csv(out / "table.csv")
    files = [out / "table.csv"]
    _print(summary, keys)
    numeric = [key for key in keys if table[key].dtype.is_numeric()]
    if numeric:
        x, series = numeric[0], [key for key in keys if key != numeric[0]]
        files += save(error_figure(table, x, series, folder.name), out / "figure")
    Console().print("\n".join(str(file) for file in files), highlight=False, soft_wrap=True)
    return files


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
