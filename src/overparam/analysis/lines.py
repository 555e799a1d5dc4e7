"""The figure of a claim."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from overparam.analysis.axes import CATEGORICAL, label, scale_x, short_name, value_text
from overparam.analysis.curves import over_seeds

matplotlib.use("Agg")


def line_figure(
    table: pl.DataFrame,
    title: str,
    x: str,
    y: Sequence[str],
    series: Sequence[str] = (),
    theory: str | None = None,
    where: dict[str, Any] | None = None,
    log: str = "",
    xlabel: str | None = None,
    ylabel: str | None = None,
) -> Figure:
    """Draw the mean over seeds of the columns `y`, with 95% bands, against `x`.

    Args:
        table: the claim's table.
        title: what the figure shows.
        x: column of the horizontal axis; numbers that span more than a factor of eight are drawn on a
            logarithmic axis, without the zero; texts as places in the order of the table.
        y: columns of the vertical axis.
        series: columns that tell lines apart.
        theory: column drawn as a thin black line, without markers, behind its series.
        where: draw only rows with these values.
        log: "y" for a logarithmic vertical axis.
        xlabel: text of the horizontal axis; None is the column's name.
        ylabel: text of the vertical axis; None is the names in `y`.
    """
    for column, value in (where or {}).items():
        table = table.filter(pl.col(column) == value)
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    is_text = table[x].dtype == pl.String
    if is_text:
        names = table[x].unique(maintain_order=True).to_list()
        table = table.with_columns(pl.col(x).replace_strict(names, range(len(names)), return_dtype=pl.Int64))
        axes.set_xticks(range(len(names)), names, rotation=20, ha="right")
    else:
        if table[x].dtype.is_integer() and table[x].min() == 0 and table[x].n_unique() > 8:
            table = table.filter(pl.col(x) > 0)  # steps: a logarithmic axis has no step 0
        scale_x(axes, table[x].to_list(), ticks=table[x].n_unique() <= 20)
    groups = table.partition_by(list(series), as_dict=True) if series else {(): table}
    lines = [(values, group, column) for values, group in sorted(groups.items(), key=_order) for column in y]
    for index, (values, group, column) in enumerate(lines):
        curve = over_seeds(group, [x], [column, *([theory] if theory else [])]).drop_nulls(column)
        parts = [column.replace("_", " ")] if len(y) > 1 or not series else []
        parts += [_legend_text(key, value) for key, value in zip(series, values, strict=True)]
        color, style = CATEGORICAL[index % len(CATEGORICAL)], ("-", "--", ":")[index // len(CATEGORICAL) % 3]
        if is_text:  # beside each other, not one on the other
            curve = curve.with_columns(pl.col(x) + 0.12 * (index - (len(lines) - 1) / 2))
        _band(axes, curve, x, column, ", ".join(parts), color, "none" if is_text else style)
        if theory:
            axes.plot(curve[x], curve[theory], color="0.1", lw=0.8, label=None if index else "theory")
    if "y" in log:
        axes.set_yscale("log")
    axes.set(xlabel=label(x) if xlabel is None else xlabel, ylabel=ylabel or ", ".join(y).replace("_", " "))
    axes.set_title(title, fontsize=9, wrap=True)
    if len(lines) > 1 or theory:
        axes.legend(frameon=False, fontsize=7)
    return figure


def _band(axes: Axes, curve: pl.DataFrame, x: str, y: str, text: str, color: str, style: str) -> None:
    mean, half = curve[y].to_numpy(), curve[f"{y}_ci"].fill_null(0).to_numpy()
    if style == "none" or len(curve) == 1:
        axes.errorbar(curve[x], mean, half, fmt="o", color=color, ms=4, capsize=3, label=text)
        return
    axes.plot(curve[x], mean, style, color=color, marker="o" if len(curve) <= 20 else None, ms=3, label=text)
    axes.fill_between(curve[x], mean - half, mean + half, color=color, alpha=0.2, lw=0)


def _legend_text(key: str, value: object) -> str:
    return (
        str(value) if isinstance(value, str) else f"{short_name(key).replace('_', ' ')} {value_text(value)}"
    )


def _order(item: tuple[tuple[object, ...], pl.DataFrame]) -> tuple[str, ...]:
    return tuple(f"{v:020.6f}" if isinstance(v, int | float) else str(v) for v in item[0])
