"""The curves of a sweep's figures as W&B draws them: lines of named points."""

from collections.abc import Iterator

import polars as pl

from overparam.analysis.axes import label, legend_text
from overparam.analysis.curves import over_seeds
from overparam.analysis.drawing import is_number
from overparam.analysis.figures import is_regression, quantity_name
from overparam.analysis.layout import NOISE
from overparam.loggers.wandb_report import Chart

SIZE = "params_per_sample"


def numeric_keys(runs: pl.DataFrame, keys: list[str]) -> list[str]:
    """Return the swept keys that are numbers, each an axis; noise tells lines apart, unless nothing else was swept."""
    numeric = [key for key in keys if is_number(runs, key)]
    return [key for key in numeric if key != NOISE] + [key for key in numeric if key == NOISE]


def charts(table: pl.DataFrame, keys: list[str]) -> Iterator[Chart]:
    """Yield error and loss, means over seeds, against the first numeric key, and test error by regime against P/n.

    Args:
        table: a row for each finished run.
        keys: the swept keys.
    """
    if table.is_empty():
        return
    for x in numeric_keys(table, keys)[:1]:
        others = [key for key in keys if key != x]
        for quantity in ["error"] if is_regression(table) else ["error", "loss"]:
            means = over_seeds(table, keys, [f"{part}_{quantity}" for part in ("test", "train")])
            points = []
            for row in means.iter_rows(named=True):
                setting = [legend_text(key, row[key]) for key in others]
                points += [
                    (row[x], ", ".join([part, *setting]), row[f"{part}_{quantity}"])
                    for part in ("test", "train")
                ]
            name = quantity_name(table, quantity)
            yield Chart(f"{quantity}_curve", f"{name} against {label(x)}", label(x), points)
    means = over_seeds(table, ["regime", SIZE], ["test_error"])
    points = [(row[SIZE], row["regime"], row["test_error"]) for row in means.iter_rows(named=True)]
    yield Chart("regimes", "test error by regime", label(SIZE), points)
