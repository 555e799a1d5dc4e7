"""The figure of a claim."""

from collections.abc import Sequence

import matplotlib
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from overparam.analysis.axes import CATEGORICAL
from overparam.analysis.curves import over_seeds

matplotlib.use("Agg")


def claim_figure(
    table: pl.DataFrame,
    title: str,
    x: str,
    y: Sequence[str],
    series: Sequence[str] = (),
    theory: str | None = None,
    where: dict[str, float] | None = None,
    log: str = "x",
    xlabel: str | None = None,
    ylabel: str | None = None,
) -> Figure:
    """Draw the mean over seeds of the columns `y`, with 95% bands, against `x`.

    Args:
        table: the claim's table.
        title: what the figure shows.
        x: column of the horizontal axis.
        y: columns of the vertical axis.
        series: columns that tell lines apart.
        theory: column drawn as a thin black line, without markers, behind its series.
        where: draw only rows with these values.
        log: axes that are logarithmic: "", "x", "y" or "xy".
        xlabel: text of the horizontal axis; None is the column's name.
        ylabel: text of the vertical axis; None is the names in `y`.
    """
    for column, value in (where or {}).items():
        table = table.filter(pl.col(column) == value)
    figure = Figure(figsize=(6.0, 4.0), layout="constrained")
    axes = figure.add_subplot()
    groups = table.partition_by(list(series), as_dict=True) if series else {(): table}
    lines = [(values, group, column) for values, group in sorted(groups.items(), key=_order) for column in y]
    for index, (values, group, column) in enumerate(lines):
        curve = over_seeds(group, [x], [column, *([theory] if theory else [])]).drop_nulls(column)
        names = [f"{k.rpartition('.')[2]}={v}" for k, v in zip(series, values, strict=True)]
        label = ", ".join([*([column] if len(y) > 1 or not names else []), *names])
        color, style = CATEGORICAL[index % len(CATEGORICAL)], ("-", "--", ":")[index // len(CATEGORICAL) % 3]
        _band(axes, curve, x, column, label, color, style)
        if theory:
            axes.plot(curve[x], curve[theory], color="0.1", lw=0.8, label=None if index else "theory")
    if "x" in log:
        axes.set_xscale("symlog" if table[x].min() == 0 else "log")
    if "y" in log:
        axes.set_yscale("log")
    axes.set(xlabel=xlabel or x, ylabel=ylabel or ", ".join(y))
    axes.set_title(title, fontsize=9, wrap=True)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=7)
    return figure


def _band(axes: Axes, curve: pl.DataFrame, x: str, y: str, label: str, color: str, style: str) -> None:
    mean, half = curve[y].to_numpy(), curve[f"{y}_ci"].fill_null(0).to_numpy()
    axes.plot(curve[x], mean, style, color=color, marker="o", ms=3, label=label)
    axes.fill_between(curve[x], mean - half, mean + half, color=color, alpha=0.2, lw=0)


def _order(item: tuple[tuple[object, ...], pl.DataFrame]) -> tuple[str, ...]:
    return tuple(f"{v:020.6f}" if isinstance(v, int | float) else str(v) for v in item[0])
