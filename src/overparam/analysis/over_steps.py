"""Errors, and what else was logged, over the steps of training."""

import polars as pl
from matplotlib.figure import Figure

from overparam.analysis.axes import label
from overparam.analysis.figures import curve_figure, quantity_name
from overparam.analysis.layout import lay_out

MOST_ROWS = 4


def step_figure(steps: pl.DataFrame, keys: list[str], title: str) -> Figure:
    """Draw test and training error against the optimizer step, side by side.

    Args:
        steps: `collect_steps` joined with the status and the swept config keys of finished runs.
        keys: the swept keys; the first is told apart by colours.
        title: of the figure.
    """
    error = quantity_name(steps, "error")
    parts = [
        steps.with_columns(error=pl.col(f"{part}_error"), part=pl.lit(f"{part} {error}"))
        for part in ("test", "train")
    ]
    both = pl.concat(parts).filter(pl.col("step") > 0)
    color = keys[0] if keys else None
    layout = lay_out(both, "step", keys, color, "part", ("color", "rows", "dash"), MOST_ROWS)
    return curve_figure(both, layout, {"error": error}, title, error)


def overlaid_figure(steps: pl.DataFrame, keys: list[str], title: str) -> Figure:
    """Draw test (solid) and training (dashed) error over each other against the step.

    Args:
        steps: see `step_figure`.
        keys: the swept keys; the first has a panel for each value, the next the colours, the others are held.
        title: of the figure.
    """
    layout = lay_out(steps, "step", keys, facet=keys[0], roles=("color",))
    parts = {"test_error": "test", "train_error": "train"}
    later = steps.filter(pl.col("step") > 0)
    return curve_figure(later, layout, parts, title, quantity_name(steps, "error"))


def rate_figure(steps: pl.DataFrame, column: str, keys: list[str], title: str) -> Figure:
    """Draw the learning rate that a callback logged in `column` against the step."""
    layout = lay_out(steps, "step", keys, roles=("color", "columns"))
    return curve_figure(steps, layout, {column: column}, title, label("optimizer.lr"))
