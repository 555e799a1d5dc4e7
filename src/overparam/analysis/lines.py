"""Lines of any columns of a table against another column: the figure of a claim and of most studies."""

from collections.abc import Sequence
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from overparam.analysis.axes import CATEGORICAL, label, scale, value_text
from overparam.analysis.curves import over_seeds
from overparam.analysis.figures import draw_curve, groups_of


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
        table: a row for each measurement.
        title: of the figure.
        x: column of the horizontal axis; numbers that span more than a factor of eight get a logarithmic axis,
            without the zero; names are placed in the order of the table.
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
    has_names = not table[x].dtype.is_numeric()
    if has_names:
        names = table[x].unique(maintain_order=True).to_list()
        places = pl.Series([names.index(value) for value in table[x]], dtype=pl.Float64)
        table = table.with_columns(places.alias(x))
        axes.set_xticks(range(len(names)), map(value_text, names), rotation=20, ha="right")
    else:
        if table[x].dtype.is_integer() and table[x].min() == 0 and table[x].n_unique() > 8:
            table = table.filter(pl.col(x) > 0)  # steps: a logarithmic axis has no step 0
        scale(axes, "x", table[x].drop_nulls().to_list(), ticks=table[x].n_unique() <= 20)
    lines = [(name, group, column) for name, group in groups_of(table, list(series)) for column in y]
    for index, (name, group, column) in enumerate(lines):
        parts = [column.replace("_", " ")] if len(y) > 1 or not series else []
        color, style = CATEGORICAL[index % len(CATEGORICAL)], ("-", "--", ":")[index // len(CATEGORICAL) % 3]
        if has_names:  # side by side, not one over the other
            group = group.with_columns(pl.col(x) + 0.12 * (index - (len(lines) - 1) / 2))
        text = ", ".join([*parts, *([name] if name else [])])
        draw_curve(axes, group, x, column, color=color, linestyle="none" if has_names else style, label=text)
        if theory:
            curve = over_seeds(group.drop_nulls(theory), [x], [theory])
            axes.plot(curve[x], curve[theory], color="0.1", lw=0.8, label=None if index else "theory")
    if "y" in log:
        axes.set_yscale("log")
    axes.set(xlabel=label(x) if xlabel is None else xlabel, ylabel=ylabel or ", ".join(y).replace("_", " "))
    axes.set_title(title, fontsize=9, wrap=True)
    if len(lines) > 1 or theory:
        axes.legend(frameon=False, fontsize=7)
    return figure
