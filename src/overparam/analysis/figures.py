"""Curves of what was measured against a swept key."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from overparam.analysis.axes import CATEGORICAL, colors, label, legend_text, spaced_ticks, title_of
from overparam.analysis.curves import interpolation_threshold, over_seeds, seeds_text
from overparam.analysis.drawing import add_legend, draw_curve, grid, is_number, name_axis, number_axis
from overparam.analysis.layout import Layout, lay_out, levels

WIDTH, SAMPLES = "model.width", "data.n_train"
THRESHOLD_ALONG = (WIDTH, SAMPLES, "params_per_sample", "params")  # along no other key is there one
THEORY = "theory_test_error"  # a measure of this name is drawn beside the test error
GREY = "0.35"
DASHES = ("-", "--", ":")


@dataclass(frozen=True)
class Looks:
    """How the lines of a figure are told apart, in all its panels alike, and what its legend says."""

    layout: Layout
    parts: Mapping[str, str]  # columns and their names
    colors: dict[Any, Any]
    dashes: dict[Any, str]
    places: list[Any] | None  # the names along the axis; None if it has numbers
    legend: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, runs: pl.DataFrame, layout: Layout, parts: Mapping[str, str]) -> "Looks":
        """Return how `runs` are drawn."""
        hues = levels(runs, layout.color) if layout.color else [None]
        dashes = dict(zip(levels(runs, layout.dash), DASHES, strict=False)) if layout.dash else {None: "-"}
        found = dict(zip(hues, colors(hues), strict=True))
        looks = cls(
            layout, parts, found, dashes, None if is_number(runs, layout.x) else levels(runs, layout.x)
        )
        finished = runs.filter(status="finished")

        def said(key: str, value: Any) -> str:
            return legend_text(key, value) + ("" if value in set(finished[key]) else " (failed)")

        for value, color in found.items() if layout.color else ():
            handle = Line2D([], [], color=color, marker="o", ms=4, ls="-" if looks.is_joined else "none")
            looks.legend[said(str(layout.color), value)] = handle
        for value, dash in dashes.items() if layout.dash else ():
            looks.legend[said(str(layout.dash), value)] = Line2D([], [], color=GREY, ls=dash)
        for index, name in enumerate(parts.values()) if len(parts) > 1 else ():
            style = looks.style(index, hues[0], next(iter(dashes))) | {"ms": 4}
            looks.legend[name] = Line2D([], [], **style | ({"color": GREY} if layout.color else {}))
        return looks

    @property
    def is_joined(self) -> bool:
        """Whether lines join points."""
        return self.places is None and self.layout.is_joined

    def style(self, part: int, hue: Any, dash: Any) -> dict[str, Any]:
        """Return Matplotlib's style of the line of a part, a colour's value and a dash's value."""
        style: dict[str, Any] = {
            "color": self.colors[hue],
            "marker": "o",
            "linestyle": self.dashes[dash],
            "lw": 1.6,
        }
        if part and not self.layout.color:
            style["color"] = CATEGORICAL[part]
        if part and self.layout.dash:
            style |= {"lw": 0.7, "markerfacecolor": "white"}
        elif part:
            style |= {"lw": 1.2, "linestyle": "--", "markerfacecolor": "white"}
        return style | ({} if self.is_joined else {"linestyle": "none"})

    def lines(self, panel: pl.DataFrame) -> Iterator[tuple[Any, Any, pl.DataFrame]]:
        """Yield the values of colour and dash, and the runs, of each line of a panel."""
        hue, dash = self.layout.color, self.layout.dash
        if self.places is not None:
            at = pl.Series([self.places.index(value) for value in panel[self.layout.x]], dtype=pl.Float64)
            panel = panel.with_columns(at.alias(self.layout.x))
        for i, value in enumerate(self.colors):
            colored = panel.filter(pl.col(hue).eq_missing(pl.lit(value))) if hue else panel
            for j, other in enumerate(self.dashes):
                line = colored.filter(pl.col(dash).eq_missing(pl.lit(other))) if dash else colored
                if self.places is not None:  # side by side, not one over the other
                    count = len(self.colors) * len(self.dashes)
                    shift = min(0.12, 0.7 / count) * (i * len(self.dashes) + j - (count - 1) / 2)
                    line = line.with_columns(pl.col(self.layout.x) + shift)
                if len(line):
                    yield value, other, line


def error_figure(
    table: pl.DataFrame, x: str, series: list[str], title: str, quantity: str = "error"
) -> Figure:
    """Draw test (solid) and training (dashed) error, or "loss", against `x`; see `curve_figure`."""
    parts = {f"test_{quantity}": "test", f"train_{quantity}": "train"}
    return curve_figure(table, lay_out(table, x, series), parts, title, quantity_name(table, quantity))


def curve_figure(
    table: pl.DataFrame, layout: Layout, parts: Mapping[str, str], title: str, ylabel: str
) -> Figure:
    """Draw columns against a key: the mean over seeds, with 95% bands, or below three seeds with each run as a dot.

    Numbers are joined by lines, names are not. Over width, n or P a dotted line marks the interpolation threshold: the
    smallest x from which on the training error stays at most 0.1. Over the width of one network a second axis shows
    parameters for each training sample. Settings of which no run finished are crosses at the foot of their panel.

    Args:
        table: a row for each run, failed ones too, see `collect`.
        layout: which key is what.
        parts: the columns to draw with their names in the legend, at most two.
        title: of the figure.
        ylabel: text of the vertical axis.
    """
    runs = layout.shown(table)
    finished = runs.filter(status="finished")
    looks = Looks.of(runs, layout, parts)
    panels = list(layout.panels(runs))
    in_a_row = runs[layout.columns].n_unique() if layout.rows and layout.columns else 3
    figure, all_axes = grid(len(panels), 1 if layout.rows and not layout.columns else in_a_row)
    room, far = 0.05 if len(panels) == 1 else 0.09, set[Any]()
    for axes, (texts, panel) in zip(all_axes, panels, strict=True):
        if looks.places is None:
            number_axis(axes, finished if len(finished) else runs, layout.x, room)
        else:
            name_axis(axes, looks.places, 60 if len(panels) == 1 else 30)
        for hue, dash, line in looks.lines(panel):
            _draw_line(axes, line, looks, hue, dash)
        far |= _draw_failed(axes, panel, looks)
        axes.set_title(title_of(texts), weight="bold")
        axes.set_xlabel(label(layout.x))
    _scale_quantity(all_axes[0], finished, list(parts))
    for axes, (_, panel) in zip(all_axes, panels, strict=True):
        if layout.x == WIDTH and looks.places is None:
            _parameter_axis(axes, panel.filter(status="finished"), room=1.5 * room)
        if axes.get_subplotspec().is_first_col():  # type: ignore[union-attr]
            axes.set_ylabel(ylabel)
    add_legend(figure, looks.legend)
    keys = [layout.x, *layout.rows, *filter(None, (layout.color, layout.columns, layout.dash))]
    said = "no run finished"
    if len(finished):
        said = seeds_text(finished, keys) if layout.is_joined else "each point a run"
    beyond = ", ".join(legend_text(layout.x, value) for value in sorted(far))
    notes = [f"{title}: {said}", layout.note, f"all runs failed at {beyond}" if far else ""]
    figure.suptitle("\n".join(filter(None, notes)), fontsize=10)
    return figure


def quantity_name(table: pl.DataFrame, quantity: str) -> str:
    """Return "error", "loss" or, for regression, "mean squared error"."""
    return "mean squared error" if quantity == "error" and is_regression(table) else quantity


def is_regression(table: pl.DataFrame) -> bool:
    """Return whether the errors are mean squared errors: then, and only then, they equal the squared loss."""
    known = table.drop_nulls(["test_error", "test_loss"])
    is_equal = (known["test_error"] - known["test_loss"]).abs() <= 1e-9 + 1e-6 * known["test_loss"]
    return len(known) > 0 and bool(is_equal.all())


def _draw_line(axes: Axes, line: pl.DataFrame, looks: Looks, hue: Any, dash: Any) -> None:
    x, finished = looks.layout.x, line.filter(status="finished")
    dead = _all_failed(line, x).to_list()
    for index, column in enumerate(looks.parts):
        given = {"label": looks.parts[column], **looks.style(index, hue, dash)}
        draw_curve(axes, finished, x, column, gaps=dead, **given)
    color = looks.colors[hue] if looks.layout.color else "black"
    if THEORY in line.columns and "test_error" in looks.parts and line[THEORY].is_not_null().any():
        theory = over_seeds(finished.drop_nulls(THEORY), [x], [THEORY])
        axes.plot(theory[x], theory[THEORY], color=color, lw=1, ls="-.", label="theory")
        looks.legend["theory"] = Line2D([], [], color=GREY if looks.layout.color else "black", ls="-.", lw=1)
    if x not in THRESHOLD_ALONG or looks.places is not None or finished.is_empty():
        return
    curve = over_seeds(finished, [x], ["train_error"])
    if (threshold := interpolation_threshold(curve, x, is_falling=x != SAMPLES)) is not None:
        # Dots of equal thresholds alternate.
        count, place = min(len(looks.colors), 5), list(looks.colors).index(hue) % 5
        dots = (3 * (count - place), (1.5, 3 * count - 1.5))
        style: dict[str, Any] = {"color": color if looks.layout.color else GREY, "ls": dots, "lw": 1.2}
        axes.axvline(threshold, label="interpolation threshold", **style)
        looks.legend["interpolation threshold"] = Line2D([], [], color=GREY, ls=":", lw=1.2)
    # A network that is linear in its parameters interpolates from P = nK on, whatever the data.
    networks = set(line["model._target_"]) if "model._target_" in line.columns else set()
    if x == WIDTH and networks == {"RandomFeatures"} and finished["n_train"].n_unique() == 1:
        axes.axvline(finished["n_train"][0], color="black", ls="-.", lw=0.8)
        looks.legend["theory: width = n"] = Line2D([], [], color="black", ls="-.", lw=0.8)


def _all_failed(line: pl.DataFrame, x: str) -> pl.Series:
    """Return the values of x at which all runs of a line failed."""
    return line.group_by(x).agg((pl.col("status") == "failed").all()).filter("status").sort(x)[x].drop_nulls()


def _draw_failed(axes: Axes, panel: pl.DataFrame, looks: Looks) -> set[Any]:
    """Mark the settings of which no run finished with a cross; return the values of those beyond the axis."""
    low, high = axes.get_xlim()
    foot = axes.get_xaxis_transform()
    far = set[Any]()
    for index, (hue, _, line) in enumerate(looks.lines(panel)):
        x = looks.layout.x
        dead = _all_failed(line, x)
        far |= set(dead.filter(~dead.is_between(low, high)))
        dead = dead.filter(dead.is_between(low, high))
        if len(dead):
            style: dict[str, Any] = {
                "color": looks.colors[hue],
                "marker": "x",
                "ls": "none",
                "ms": 6,
                "mew": 1.8,
            }
            places = [0.03 + 0.04 * (index % 8)] * len(dead)
            axes.plot(dead, places, transform=foot, label="failed", zorder=5, **style)
            looks.legend["all runs failed"] = Line2D([], [], **style | {"color": GREY})
    axes.set_xlim(low, high)
    return far


def _scale_quantity(axes: Axes, table: pl.DataFrame, columns: list[str]) -> None:
    """Set the vertical scale of all panels: from zero for error rates, logarithmic for what spans decades."""
    known = [table[column].drop_nulls() for column in columns]
    if not len(known[0]):
        axes.set_yticks([])
        return
    least, most = min(s.min() for s in known if len(s)), max(s.max() for s in known if len(s))  # type: ignore[type-var]
    shown: Any = known[0]
    if shown.min() > 0 and most > 30 * shown.min() and not (columns[0].endswith("error") and most <= 1):  # type: ignore[operator]
        axes.set_yscale("log")
        # A training loss near zero would take the whole axis.
        axes.set_ylim(max(float(least), 0.05 * shown.min()) / 1.5, None)  # type: ignore[arg-type]
    elif least >= 0:  # type: ignore[operator]
        high = axes.get_ylim()[1]
        high = min(high, 1.02) if most <= 1 else high  # type: ignore[operator]
        axes.set_ylim(-0.02 * high, high)  # so that points at zero are whole


def _parameter_axis(axes: Axes, table: pl.DataFrame, room: float) -> None:
    """Label the top axis with P/n; the scale of `axes` must be set before: changing it resets the ticks."""
    sizes = table.select(WIDTH, "params_per_sample").unique().sort(WIDTH)
    if sizes.is_empty() or len(sizes) != sizes[WIDTH].n_unique():
        return
    top = axes.secondary_xaxis("top")
    shown = sizes.filter(pl.col(WIDTH).is_in(spaced_ticks(sizes[WIDTH].to_list(), room=room)))
    texts = [f"{float(f'{value:.2g}'):g}" for value in shown["params_per_sample"]]  # 120, and not 1.2e+02
    top.set_xticks(shown[WIDTH].to_list(), texts)
    top.xaxis.set_minor_locator(NullLocator())
    top.set_xlabel("parameters per training sample, P/n", fontsize=8)
    top.tick_params(labelsize=8)
