"""Curves of error and loss against a swept key."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import NullLocator

from overparam.analysis.axes import CATEGORICAL, colors, label, scale, short_name, spaced_ticks, value_text
from overparam.analysis.curves import SEEDS_FOR_A_BAND, interpolation_threshold, over_seeds, seeds_text
from overparam.runs.summary import whole

matplotlib.use("Agg")
logging.getLogger("fontTools").setLevel(logging.WARNING)  # else it logs every glyph that a PDF embeds
matplotlib.rcParams.update({"pdf.fonttype": 42, "font.size": 9, "axes.titlesize": 9, "legend.fontsize": 8})

NOISE, WIDTH, SAMPLES = "data.label_noise", "model.width", "data.n_train"
MOST_PANELS = 6
THEORY = "theory_test_error"  # a measure of this name is drawn beside the test error
GREY = "0.35"


def error_figure(
    table: pl.DataFrame, x: str, series: list[str], title: str, quantity: str = "error", columns: int = 3
) -> Figure:
    """Draw test (solid) and training (dashed) error against `x`, a line for each combination of `series`.

    Bands are 95% intervals of the mean over seeds. Label noise among the series gets a panel for each level. A
    dotted line marks the interpolation threshold: the smallest x from which on the training error stays at
    most 0.1. Where `x` is the width of one network, a second axis shows parameters for each training sample.

    Args:
        table: a row for each finished run, see `collect`.
        x: a numeric column.
        series: the other columns that differ between runs, seeds apart.
        title: of the figure.
        quantity: "error" or "loss".
        columns: panels in a row.
    """
    has_panels = NOISE in series and 1 < table[NOISE].n_unique() <= MOST_PANELS
    levels = table[NOISE].unique().sort(nulls_last=True).to_list() if has_panels else [None]
    lines = [key for key in series if not (has_panels and key == NOISE)]
    figure, panels = grid(len(levels), columns)
    for axes, level in zip(panels, levels, strict=True):
        shown = table.filter(pl.col(NOISE).eq_missing(level)) if has_panels else table
        scale(
            axes, "x", table[x].to_list(), ticks=table[x].n_unique() <= 20, room=0.1 if has_panels else 0.06
        )
        _lines(axes, shown, x, lines, quantity)
        _thresholds(axes, shown, x, lines, is_alone=len(panels) == 1 and not lines)
        _parameter_axis(axes, shown, x, room=0.15 if has_panels else 0.09)
        if has_panels:
            axes.set_title(f"label noise {value_text(level)}", weight="bold")
        axes.set_xlabel(label(x))
    _scale_quantity(panels[0], table, quantity)
    for axes in panels[::columns]:
        axes.set_ylabel(quantity_name(table, quantity))
    panels[-1].legend(frameon=False, loc="best")
    figure.suptitle(f"{title}: {seeds_text(table, [x, *series])}", fontsize=10)
    return figure


def grid(count: int, columns: int = 3, height: float = 3.0) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` panels, `columns` in a row, that share the vertical axis."""
    columns = min(count, columns)
    rows = -(-count // columns)
    size = (6.4, 4.2) if count == 1 else (1.2 + 3.0 * columns, 0.6 + height * rows)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for spare in axes[count:]:
        spare.remove()
    return figure, list(axes[:count])


def quantity_name(table: pl.DataFrame, quantity: str) -> str:
    """Return "error", "loss" or, for regression, "mean squared error"."""
    return "mean squared error" if quantity == "error" and is_regression(table) else quantity


def is_regression(table: pl.DataFrame) -> bool:
    """Return whether the errors are mean squared errors: then, and only then, they equal the squared loss."""
    return bool(((table["test_error"] - table["test_loss"]).abs() <= 1e-9 + 1e-6 * table["test_loss"]).all())


def groups_of(table: pl.DataFrame, series: list[str]) -> list[tuple[str, pl.DataFrame]]:
    """Return the runs of each combination of `series` with its legend text, in the order of the values."""
    if not series:
        return [("", table)]
    groups = table.sort(series, nulls_last=True).partition_by(series, as_dict=True, maintain_order=True)
    return [
        (", ".join(legend_text(k, v) for k, v in zip(series, values, strict=True)), group)
        for values, group in groups.items()
    ]


def legend_text(key: str, value: Any) -> str:
    """Return "label noise 0.2" for a config key and its value; of a column of names the name alone."""
    if isinstance(value, str) and "." not in key:
        return value_text(value)
    return f"{short_name(key).replace('_', ' ')} {value_text(value)}"


def draw_curve(
    axes: Axes, table: pl.DataFrame, x: str, column: str, has_band: bool = True, **style: Any
) -> None:
    """Draw the mean of `column` over the runs at each `x`, with its 95% interval where there are enough seeds."""
    curve = over_seeds(table.drop_nulls([x, column]), [x], [column])
    half = pl.when(pl.col("seeds") >= SEEDS_FOR_A_BAND).then(f"{column}_ci").fill_null(0)
    mean, interval = curve[column].to_numpy(), curve.select(half).to_series().to_numpy()
    if style.get("linestyle") == "none" or len(curve) == 1:
        axes.errorbar(
            curve[x], mean, interval, **{**style, "fmt": "o", "ms": 4, "capsize": 3, "linestyle": "none"}
        )
        return
    axes.plot(curve[x], mean, marker="o" if len(curve) <= 20 else None, ms=3, **style)
    if has_band and interval.any():
        axes.fill_between(curve[x], mean - interval, mean + interval, color=style["color"], alpha=0.2, lw=0)


def _lines(axes: Axes, table: pl.DataFrame, x: str, series: list[str], quantity: str) -> None:
    for name, group, color in _colored_groups(table, series):
        for part, style in (("test", "-"), ("train", "--")):
            line_color = color if series or part == "test" else CATEGORICAL[1]
            text = f"{part} {name}".strip() if not series or part == "test" else None
            has_band = part == "test" or not series
            column = f"{part}_{quantity}"
            draw_curve(axes, group, x, column, has_band, color=line_color, linestyle=style, label=text)
    if series:
        axes.plot([], [], "--", color=GREY, label="train")
    if THEORY in table.columns and quantity == "error" and table[THEORY].is_not_null().any():
        theory = over_seeds(table.drop_nulls(THEORY), [x], [THEORY])
        axes.plot(theory[x], theory[THEORY], color="black", lw=1, ls="-.", label="theory")


def _colored_groups(table: pl.DataFrame, series: list[str]) -> Iterator[tuple[str, pl.DataFrame, Any]]:
    """Yield legend text, runs and colour of each combination of `series`."""
    groups = groups_of(table, series)
    values = table[series[0]].unique().drop_nulls().sort().to_list() if len(series) == 1 else []
    palette = colors(values if len(values) == len(groups) else [str(i) for i in range(len(groups))])
    for (name, group), color in zip(groups, palette, strict=True):
        yield name, group, color


def _thresholds(axes: Axes, table: pl.DataFrame, x: str, series: list[str], is_alone: bool) -> None:
    text = "interpolation threshold"
    for _, group, color in _colored_groups(table, series):
        curve = over_seeds(group, [x], ["train_error"])
        threshold = interpolation_threshold(curve, x, is_falling=x != SAMPLES)
        if threshold is None:
            continue
        axes.axvline(threshold, color=color if series else GREY, ls=":", lw=1.2)
        if is_alone:
            _annotate(axes, threshold, text)
        elif text:
            axes.plot([], [], ":", color=GREY, label=text)
            text = ""
    # A network that is linear in its parameters interpolates from P = nK on, whatever the data.
    networks = set(table["model._target_"]) if "model._target_" in table.columns else set()
    if x == WIDTH and networks == {"RandomFeatures"} and table["n_train"].n_unique() == 1:
        axes.axvline(table["n_train"][0], color="black", ls="-.", lw=0.8, label="theory: width = n")


def _annotate(axes: Axes, x: float, text: str) -> None:
    is_right = axes.transAxes.inverted().transform(axes.transData.transform((x, 0)))[0] > 0.6
    place: Any = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "va": "top"}
    place |= {"xytext": (-4 if is_right else 4, 0), "ha": "right" if is_right else "left"}
    axes.annotate(text, (x, 0.98), **place, fontsize=8, color=GREY)


def _scale_quantity(axes: Axes, table: pl.DataFrame, quantity: str) -> None:
    """Set the vertical scale of all panels: from zero for error rates, logarithmic for what spans decades."""
    test, train = (table[f"{part}_{quantity}"].drop_nulls().to_numpy() for part in ("test", "train"))
    has_decades = test.min() > 0 and max(test.max(), train.max()) > 30 * test.min()
    if has_decades and (quantity == "loss" or is_regression(table)):
        axes.set_yscale("log")
        # A training loss near zero would take the whole axis.
        axes.set_ylim(max(train.min(), 0.05 * test.min()) / 1.5, None)
    else:
        axes.set_ylim(0, min(axes.get_ylim()[1], 1.0) if quantity == "error" and test.max() <= 1 else None)


def _parameter_axis(axes: Axes, table: pl.DataFrame, x: str, room: float) -> None:
    """Label the top axis with P/n; the scale of `axes` must be set before: changing it resets the ticks."""
    if x != WIDTH:
        return
    sizes = table.select(x, "params_per_sample").unique().sort(x)
    if len(sizes) != sizes[x].n_unique():
        return
    top = axes.secondary_xaxis("top")
    shown = sizes.filter(pl.col(x).is_in(spaced_ticks(sizes[x].to_list(), room=room)))
    top.set_xticks(shown[x].to_list(), [f"{value:.2g}" for value in shown["params_per_sample"]])
    top.xaxis.set_minor_locator(NullLocator())
    top.set_xlabel("parameters per training sample, P/n", fontsize=8)
    top.tick_params(labelsize=8)


def save(figure: Figure, path: Path) -> list[Path]:
    """Write `path`.png and `path`.pdf; return both."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _take_as_written(figure)
    files = [path.with_suffix(suffix) for suffix in (".png", ".pdf")]
    for file in files:
        with whole(file) as beside:
            figure.savefig(beside, dpi=160)
        figure.set_layout_engine("none")  # laid out once, the same in both
    return files


def _take_as_written(figure: Figure) -> None:
    """Have names and values drawn as they are: Matplotlib takes what stands between two $ for mathematics."""
    for text in figure.findobj(Text):
        if "$" in text.get_text():  # labels of logarithmic axes have none before they are drawn
            text.set_parse_math(False)
