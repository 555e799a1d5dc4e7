"""Measured points on the curves of their closed forms, a panel for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from overparam.analysis.axes import CATEGORICAL, label
from overparam.analysis.drawing import name_axis

COLUMNS = 3


@dataclass(frozen=True)
class Panel:
    """A closed form and what was measured of it."""

    title: str
    table: pl.DataFrame  # series, x, theory, measured (null: not measured), error, agrees
    series: str | None  # what the column `series` is
    log: str  # axes that are logarithmic, of "xy"
    xlabel: str
    ylabel: str


def theory_figure(panels: Sequence[Panel], bars: float) -> Figure:
    """Draw theory as a line, or a dash where x is a name, and measured means as dots with `bars` standard errors.

    A measurement that does not agree with its theory is ringed in red.
    """
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.2 * columns, 0.5 + 3.1 * rows), layout="constrained")
    all_axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in all_axes[len(panels) :]:
        spare.remove()
    for panel, axes in zip(panels, all_axes, strict=False):
        _draw(axes, panel, bars)
    figure.suptitle(f"Closed forms (lines) and the lab's measurements (dots, with {bars:g} standard errors)")
    return figure


def _draw(axes: Axes, panel: Panel, bars: float) -> None:
    names = panel.table["x"].unique(maintain_order=True).to_list()
    is_named = panel.table["x"].dtype == pl.String
    if is_named:
        name_axis(axes, names, most_characters=40)
    for index, (key, table) in enumerate(panel.table.group_by("series", maintain_order=True)):
        color = CATEGORICAL[index % len(CATEGORICAL)]
        places = table["x"].replace_strict(names, range(len(names))) if is_named else table["x"]
        table = table.with_columns(places.cast(pl.Float64).alias("x")).sort("x")
        style: dict[str, Any] = {"marker": "_", "ms": 22, "ls": "none"} if is_named else {"lw": 1}
        axes.plot(table["x"], table["theory"], color=color, **style)
        seen = table.drop_nulls("measured")
        text = None if panel.series is None else f"{label(panel.series)} {key[0]:g}"
        dots: dict[str, Any] = {"color": color, "fmt": "o", "ms": 3.5, "capsize": 2, "label": text}
        axes.errorbar(seen["x"], seen["measured"], bars * seen["error"], **dots)
        off = seen.filter(~pl.col("agrees"))
        axes.plot(off["x"], off["measured"], ls="none", marker="o", ms=11, mfc="none", mec="red")
    for letter in panel.log:
        axes.set(**{f"{letter}scale": "log"})
        axis = axes.xaxis if letter == "x" else axes.yaxis
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    axes.set_title("\n".join(wrap(panel.title, 48)))
    axes.set_xlabel(panel.xlabel)
    axes.set_ylabel(panel.ylabel)
    if panel.series is not None:
        axes.legend(frameon=False)
