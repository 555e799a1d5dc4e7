"""What all figures are drawn with: panels, curves over seeds, legends beside them, files."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from overparam.analysis.axes import scale, shortened, value_text
from overparam.analysis.curves import SEEDS_FOR_A_BAND, over_seeds
from overparam.runs.summary import whole

matplotlib.use("Agg")
logging.getLogger("fontTools").setLevel(logging.WARNING)  # else it logs every glyph that a PDF embeds
matplotlib.rcParams.update({"pdf.fonttype": 42, "font.size": 9, "axes.titlesize": 9, "legend.fontsize": 8})

MOST_DOTS = 24  # points of a line that are marked, and ticks of an axis
LONGEST_LEGEND = 24  # entries in a column


def grid(count: int, columns: int = 3, height: float = 3.0) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` panels, `columns` in a row, that share the vertical axis."""
    columns = min(count, columns)
    rows = -(-count // columns)
    size = (7.4, 4.2) if count == 1 else (2.2 + 3.0 * columns, 0.6 + height * rows)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for spare in axes[count:]:
        spare.remove()
    return figure, list(axes[:count])


def add_legend(figure: Figure, handles: Mapping[str, Any]) -> None:
    """Put a legend beside the panels, never over them; a single entry would say nothing."""
    if len(handles) > 1:
        columns = -(-len(handles) // LONGEST_LEGEND)
        figure.legend(
            list(handles.values()), list(handles), loc="outside right center", frameon=False, ncols=columns
        )


def is_number(table: pl.DataFrame, key: str) -> bool:
    """Return whether a column's values are numbers, all of them, which a line may join."""
    return table[key].dtype.is_numeric() and table[key].null_count() == 0


def name_axis(axes: Axes, names: Sequence[Any], most_characters: int = 60) -> None:
    """Make a horizontal axis of names at 0, 1, ...; they are turned where they would touch."""
    texts = [shortened(value_text(name)) for name in names]
    is_long = max(map(len, texts)) * len(texts) > most_characters
    turned: dict[str, Any] = {"rotation": 25, "ha": "right"} if is_long else {}
    axes.set_xticks(range(len(texts)), texts, **turned)
    axes.set_xlim(-0.6, len(texts) - 0.4)


def number_axis(axes: Axes, table: pl.DataFrame, key: str, room: float) -> None:
    """Make a horizontal axis of a column; the ticks of a config key are the values it was given."""
    values = table[key].drop_nulls().to_list()
    scale(axes, "x", values, ticks="." in key and len(set(values)) <= MOST_DOTS, room=room)
    low, high = min(values), max(values)
    if len(set(values)) == 1:
        axes.set_xticks(values[:1])
    elif axes.get_xscale() == "log":
        axes.set_xlim(low * (low / high) ** 0.04, high * (high / low) ** 0.04)
    elif axes.get_xscale() == "linear":
        axes.set_xlim(low - 0.04 * (high - low), high + 0.04 * (high - low))


def draw_curve(
    axes: Axes, table: pl.DataFrame, x: str, column: str, gaps: Sequence[float] = (), **style: Any
) -> None:
    """Draw the mean of `column` over the runs at each `x`, with its 95% interval; below three seeds the runs as dots.

    Nothing is joined over one of `gaps`. `style` is Matplotlib's, with a color; linestyle "none" leaves points apart.
    """
    known = table.drop_nulls([x, column])
    if known.is_empty():
        return
    curve = over_seeds(known, [x], [column])
    # Below three seeds there is no interval: NaN, which no band reaches.
    half = pl.when(pl.col("seeds") >= SEEDS_FOR_A_BAND).then(f"{column}_ci").fill_null(np.nan)
    mean, interval = curve[column].to_numpy(), curve.select(half).to_series().to_numpy()
    few = known.join(curve.filter(pl.col("seeds").is_between(2, SEEDS_FOR_A_BAND - 1)), on=x, how="semi")
    if len(few):
        size = 10 if len(curve) <= MOST_DOTS else 3
        axes.scatter(few[x], few[column], s=size, color=style["color"], alpha=0.5, lw=0, label="_runs")
    style = {"marker": "o", **style}
    if style.get("linestyle") == "none" or len(curve) == 1:
        points: dict[str, Any] = {**style, "ms": 5, "linestyle": "none", "lw": 0}
        axes.errorbar(curve[x], mean, np.nan_to_num(interval), capsize=3, elinewidth=1.2, **points)
        return
    places, inside = curve[x].to_numpy(), [gap for gap in gaps if curve[x][0] < gap < curve[x][-1]]
    if inside:
        at = np.searchsorted(places, inside)
        places = np.insert(places.astype(float), at, inside)
        mean, interval = np.insert(mean, at, np.nan), np.insert(interval, at, np.nan)
    gone = np.pad(np.isnan(interval), 1, constant_values=True)
    alone = gone[:-2] & ~gone[1:-1] & gone[2:]  # a band of one point is not seen
    if alone.any():
        ends = (mean - interval)[alone], (mean + interval)[alone]
        axes.vlines(places[alone], *ends, color=style["color"], lw=1.2)
    axes.plot(
        places, mean, **{**style, "ms": 3, "marker": style["marker"] if len(curve) <= MOST_DOTS else ""}
    )
    if np.nan_to_num(interval).any():
        axes.fill_between(places, mean - interval, mean + interval, color=style["color"], alpha=0.2, lw=0)


def save(figure: Figure, path: Path) -> list[Path]:
    """Write `path`.png and `path`.pdf; return both."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _take_as_written(figure)
    files = [path.with_suffix(suffix) for suffix in (".png", ".pdf")]
    for file in files:
        with whole(file) as beside:
            figure.savefig(beside, dpi=160)
        # Laid out once, the same in both; "none" would draw once more to lay it out.
        figure.set_layout_engine(None)
    return files


def _take_as_written(figure: Figure) -> None:
    """Have names and values drawn as they are: Matplotlib takes what stands between two $ for mathematics."""
    for text in figure.findobj(Text):
        if "$" in text.get_text():  # labels of logarithmic axes have none before they are drawn
            text.set_parse_math(False)
