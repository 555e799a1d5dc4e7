"""Error over the steps of training, heat maps of it (Nakkiran et al. 2019), and the landscape of the loss."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from overparam.analysis.axes import SEQUENTIAL, colors, is_log, label, scale
from overparam.analysis.collect import swept
from overparam.analysis.curves import seeds_text
from overparam.analysis.figures import CATEGORICAL, draw_curve, groups_of, legend_text, quantity_name
from overparam.runs.summary import EPSILON

MOST_LINES, MOST_ROWS, MOST_PLANES = 6, 3, 5
PARTS = ("test", "train")


def step_figure(steps: pl.DataFrame, x: str | None, others: list[str], title: str) -> Figure:
    """Draw test and training error against the optimizer step, side by side, on a logarithmic axis.

    Args:
        steps: `collect_steps` joined with the config keys that were swept.
        x: the key whose values are the lines, at most six of them, evenly spaced; None draws one line.
        others: the other swept keys; each of their combinations, at most three, is a row of panels.
        title: of the figure.
    """
    shown = steps.filter(pl.col("step") > 0)
    values = evenly_spaced(shown[x].unique().sort(nulls_last=True).to_list(), MOST_LINES) if x else [None]
    palette = colors(values) if x else [CATEGORICAL[0]]
    rows, figure, panels = _paired_panels(shown, others)
    for (setting, group), pair in zip(rows, panels, strict=True):
        for axes, part in zip(pair, PARTS, strict=True):
            axes.set_xscale("log")
            for value, color in zip(values, palette, strict=True):
                line = group.filter(pl.col(x).eq_missing(pl.lit(value))) if x else group
                if not line.is_empty():
                    text = legend_text(x, value) if x else None
                    draw_curve(axes, line, "step", f"{part}_error", color=color, label=text)
            _set_title(axes, shown, part, setting)
    has_rates = shown["test_error"].max() <= 1  # type: ignore[operator]
    panels[0, 0].set_ylim(0, min(panels[0, 0].get_ylim()[1], 1.0) if has_rates else None)
    for axes in panels[-1]:
        axes.set_xlabel(label("step"))
    if x:
        panels[0, 1].legend(frameon=False)
    figure.suptitle(f"{title}: {seeds_text(shown, ['step', *([x] if x else []), *others])}", fontsize=10)
    return figure


def heat_map(table: pl.DataFrame, x: str, y: str, others: list[str], title: str) -> Figure:
    """Draw mean test and training error over the grid of two numeric columns, a row of panels for each setting.

    The white line is where the mean training error is 0.1: the interpolation threshold.

    Args:
        table: runs, or evaluations joined with the config, with `test_error` and `train_error`.
        x: column along the horizontal axis.
        y: column along the vertical axis.
        others: the other swept keys; each of their combinations, at most three, is a row of panels.
        title: of the figure.
    """
    is_step = y == "step"
    rows, figure, panels = _paired_panels(table.filter(pl.col(y) > 0) if is_step else table, others)
    grids = [[_pivot(group, x, y, f"{part}_error") for part in PARTS] for _, group in rows]
    for column, part in enumerate(PARTS):
        top = max(_color_limit(*row[column][1:], is_step=is_step) for row in grids)
        for (setting, _), row, axes in zip(rows, grids, panels[:, column], strict=True):
            xs, ys, z = row[column]
            edges = _edges(xs), _edges(ys)
            mesh = axes.pcolormesh(*edges, z, cmap=SEQUENTIAL, vmin=0, vmax=top, rasterized=True)
            scale(axes, "x", xs, room=0.1)
            if is_step:
                axes.set_yscale("log")
            else:
                scale(axes, "y", ys)
            _contour(axes, *row[1])
            _set_title(axes, table, part, setting)
        extend = "max" if is_step else "neither"
        figure.colorbar(mesh, ax=panels[:, column], shrink=0.9 / len(rows), extend=extend)
    for axes in panels[-1]:
        axes.set_xlabel(label(x))
    for axes in panels[:, 0]:
        axes.set_ylabel(label(y))
    seeds = seeds_text(table, [x, y, *others]).replace(" and 95% interval", "")
    figure.suptitle(f"{title}: {seeds}; white line: train error {EPSILON}", fontsize=10)
    return figure


def _paired_panels(
    table: pl.DataFrame, others: list[str]
) -> tuple[list[tuple[str, pl.DataFrame]], Figure, np.ndarray]:
    """Return settings of `others` with their runs, and a figure with panels [setting, test or train] for them."""
    rows = evenly_spaced(groups_of(table, others), MOST_ROWS)
    figure = Figure(figsize=(7.4, 0.6 + 2.6 * len(rows)), layout="constrained")
    return rows, figure, figure.subplots(len(rows), 2, sharex=True, sharey=True, squeeze=False)


def _set_title(axes: Axes, table: pl.DataFrame, part: str, setting: str) -> None:
    axes.set_title(f"{part} {quantity_name(table, 'error')}" + (f", {setting}" if setting else ""))


def landscape_figure(table: pl.DataFrame, title: str) -> Figure:
    """Draw the line beta = 0 of every run in one panel, and the plane of at most five runs in a panel each."""
    seeds = [key for key in ("data.seed", "seed") if key in table.columns and table[key].n_unique() > 1]
    runs = groups_of(table, [*swept(table), *seeds])
    planes = evenly_spaced(runs, MOST_PLANES)
    figure = Figure(figsize=(3.2 * (1 + len(planes)), 3.2), layout="constrained")
    line, *panels = figure.subplots(1, 1 + len(planes))
    for (name, rows), color in zip(runs, colors([name for name, _ in runs]), strict=True):
        slice_ = rows.filter(pl.col("beta") == 0).sort("alpha")
        line.plot(slice_["alpha"], slice_["train_loss"], color=color, lw=1.2, label=name or None)
    line.set(yscale="log", xlabel="alpha", ylabel="training loss", title="along one direction")
    if 1 < len(runs) <= 2 * MOST_PLANES:
        line.legend(frameon=False, fontsize=6)
    low, high = max(float(table["train_loss"].min()), 1e-4), float(table["train_loss"].max())  # type: ignore[arg-type]
    for (name, rows), axes in zip(planes, panels, strict=True):
        grid = rows.sort("beta", "alpha")
        ticks = grid["alpha"].unique().sort().to_numpy()
        loss = grid["train_loss"].to_numpy().reshape(len(ticks), len(ticks)).clip(min=low)
        levels = np.geomspace(low, high, 16)
        shown = axes.contourf(ticks, ticks, loss, levels=levels, cmap=SEQUENTIAL, norm=LogNorm(low, high))
        axes.contour(ticks, ticks, loss, levels=levels, colors="white", linewidths=0.3)
        axes.plot(0, 0, "+", color="white")
        axes.set(xlabel="alpha", ylabel="beta", title=name or "in a plane", aspect="equal")
    bar = figure.colorbar(shown, ax=panels, label="training loss", ticks=[10.0**k for k in range(-4, 8)])
    bar.ax.yaxis.set_major_formatter("{x:g}")
    figure.suptitle(title, fontsize=10)
    return figure


def evenly_spaced(items: list, most: int) -> list:
    """Return at most `most` of the items, evenly spaced, the first and the last among them."""
    if len(items) <= most:
        return items
    return [items[i] for i in np.linspace(0, len(items) - 1, most).round().astype(int)]


def _pivot(table: pl.DataFrame, x: str, y: str, column: str) -> tuple[list[float], list[float], np.ndarray]:
    """Return the sorted values of x [X] and y [Y], and the mean of `column` [Y, X], NaN where there is no run."""
    xs, ys = (table.select(key).drop_nulls().unique().sort(key) for key in (x, y))
    means = table.group_by(x, y).agg(pl.col(column).mean())
    z = ys.join(xs, how="cross").join(means, on=[x, y], how="left", maintain_order="left")[column]
    return xs[x].to_list(), ys[y].to_list(), z.to_numpy().reshape(len(ys), len(xs))


def _color_limit(ys: list[float], z: np.ndarray, is_step: bool) -> float:
    """Return the end of the colour scale; over steps, that of the last factor of ten of training.

    The chance level of the first steps would leave no colours for the rest.
    """
    return float(np.nanquantile(z[np.asarray(ys) >= ys[-1] / 10], 0.95) if is_step else np.nanmax(z)) or 1.0


def _edges(values: list[float]) -> np.ndarray:
    """Return the edges [N+1] of cells around sorted `values` [N]: half-way on the axis."""
    points = np.log(values) if is_log(values) else np.asarray(values, dtype=float)
    steps = np.diff(points) / 2 if len(points) > 1 else np.array([0.5])
    edges = np.concatenate(
        [[points[0] - steps[0]], points[:-1] + steps[: len(points) - 1], [points[-1] + steps[-1]]]
    )
    return np.exp(edges) if is_log(values) else edges


def _contour(axes: Axes, xs: list[float], ys: list[float], train_error: np.ndarray) -> None:
    finite = train_error[np.isfinite(train_error)]
    if min(train_error.shape) > 1 and finite.min() < EPSILON < finite.max():
        axes.contour(xs, ys, train_error, levels=[EPSILON], colors="white", linewidths=1.5)
