"""Lines of any columns of a table against another column: the figure of a claim and of most studies."""

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import polars as pl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from overparam.analysis.axes import CATEGORICAL, label, title_of
from overparam.analysis.curves import over_seeds
from overparam.analysis.drawing import add_legend, draw_curve, grid, name_axis, number_axis
from overparam.analysis.layout import MOST_COLORS, settings
from overparam.analysis.marks import ROW, Mark, Marked


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
    marks: Sequence[Mark] = (),
) -> Figure:
    """Draw the mean over seeds of the columns `y`, with 95% bands or each seed as a dot, against `x`.

    Args:
        table: a row for each measurement.
        title: of the figure.
        x: column of the horizontal axis; numbers that span more than a factor of eight get a logarithmic axis,
            without the zero; names are placed in the order of the table.
        y: columns of the vertical axis.
        series: columns that tell lines apart; the last of them tell panels apart, where lines would be too many.
        theory: column drawn as a thin black line, without markers, behind its series.
        where: draw only rows with these values.
        log: "y" for a logarithmic vertical axis.
        xlabel: text of the horizontal axis; None is the column's name.
        ylabel: text of the vertical axis; None is the names in `y`.
        marks: what is compared, by the rows of `table`.
    """
    table = table.with_row_index(ROW)
    for column, value in (where or {}).items():
        table = table.filter(pl.col(column) == value)
    names = None if table[x].dtype.is_numeric() else table[x].unique(maintain_order=True).to_list()
    if names is not None:
        places = pl.Series([names.index(value) for value in table[x]], dtype=pl.Float64)
        table = table.with_columns(places.alias(x))
    elif table[x].dtype.is_integer() and table[x].min() == 0 and table[x].n_unique() > 8:
        table = table.filter(pl.col(x) > 0)  # steps: a logarithmic axis has no step 0
    # What is too much for one panel gets several, and a line the same look in each.
    inside, facets = list(series), list[str]()
    while inside and len(y) * table.select(inside).n_unique() > MOST_COLORS:
        facets.insert(0, inside.pop())
    panels = list(settings(table, facets))
    figure, all_axes = grid(len(panels), table[facets[-1]].n_unique() if len(facets) > 1 else 3)
    own = [", ".join(texts) for texts, _ in settings(table, inside)]
    looks = [(text, column) for text in own for column in y]
    in_legend = {look: _line_name(*look, is_one=len(y) == 1) for look in looks}
    legend: dict[str, Any] = {}
    # A long legend leaves a single panel less of the figure, which is about 120 characters wide.
    beside = max(map(len, in_legend.values())) / 120 if len(looks) > 1 else 0.0
    room = 0.05 / (1 - min(beside, 0.5)) if len(panels) == 1 else 0.09
    for axes, (title_texts, panel) in zip(all_axes, panels, strict=True):
        if names is None:
            number_axis(axes, table, x, room=room)
        else:
            name_axis(axes, names, 60 if len(panels) == 1 else 30)
        marked = Marked(axes)
        groups = {", ".join(texts): group for texts, group in settings(panel, inside)}
        for index, (name, column) in enumerate(looks):
            if (group := groups.get(name)) is None:
                continue
            text = in_legend[name, column]
            color = CATEGORICAL[index % len(CATEGORICAL)]
            style = ("-", "--", ":")[index // len(CATEGORICAL) % 3]
            if names is not None:  # side by side, not one over the other
                shift = min(0.12, 0.7 / len(looks)) * (index - (len(looks) - 1) / 2)
                group, style = group.with_columns(pl.col(x) + shift), "none"
            draw_curve(axes, group, x, column, color=color, linestyle=style, label=text)
            marked.add(marks, group, x, y, column)
            legend[text] = Line2D([], [], color=color, ls=style, marker="o", ms=4)
            if theory:
                curve = over_seeds(group.drop_nulls(theory), [x], [theory])
                axes.plot(curve[x], curve[theory], color="0.1", lw=0.8, label="theory")
                legend["theory"] = Line2D([], [], color="0.1", lw=0.8)
        if "y" in log:
            axes.set_yscale("log")
        marked.draw()
        axes.set_title(title_of(title_texts), weight="bold")
        axes.set_xlabel(label(x) if xlabel is None else xlabel)
        if axes.get_subplotspec().is_first_col():  # type: ignore[union-attr]
            axes.set_ylabel(ylabel or ", ".join(map(label, y)))
    add_legend(figure, legend)
    figure.suptitle("\n".join(wrap(title, 45 + 40 * min(len(panels), 3))), fontsize=9)
    return figure


def _line_name(name: str, column: str, is_one: bool) -> str:
    """Return what a legend says of a line: its column, unless all lines are of one, and its settings."""
    parts = [] if is_one and name else [label(column)]
    return ", ".join([*parts, *([name] if name else [])])
