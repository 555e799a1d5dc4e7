"""Error over the steps of training, heat maps of it (Nakkiran et al. 2019), and the landscape of the loss."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from overparam.analysis.axes import (
    SEQUENTIAL,
    colors,
    is_log,
    label,
    scale_x,
    scale_y,
    short_name,
    value_text,
)
from overparam.analysis.collect import swept
from overparam.analysis.curves import over_seeds, seeds_text
from overparam.analysis.figures import CATEGORICAL, draw_band, groups_of, quantity_name
from overparam.runs.summary import EPSILON

MOST_LINES, MOST_ROWS, MOST_PLANES = 6, 3, 5


def step_figure(steps: pl.DataFrame, x: str | None, others: list[str], title: str) -> Figure:
    """Draw test and training error against the optimizer step, side by side, on a logarithmic axis.

    Args:
        steps: `collect_steps` joined with the config keys that were swept.
        x: the key whose values are the lines, at most six of them, evenly picked; None draws one line.
        others: the other swept keys; each of their combinations, at most three, is a row of panels.
        title: what the figure is called.
    """
    shown = steps.filter(pl.col("step") > 0)
    rows = evenly_spaced(groups_of(shown, others), MOST_ROWS)
    figure = Figure(figsize=(7.4, 0.6 + 2.6 * len(rows)), layout="constrained")
    panels = figure.subplots(len(rows), 2, sharex=True, sharey=True, squeeze=False)
    values = evenly_spaced(sorted(shown[x].unique().drop_nulls()), MOST_LINES) if x else [None]
    palette = colors(values) if x else [CATEGORICAL[0]]
    name = quantity_name(shown, "error")
    for (setting, group), pair in zip(rows, panels, strict=True):
        for axes, part in zip(pair, ("test", "train"), strict=True):
            axes.set_xscale("log")
            for value, color in zip(values, palette, strict=True):
                curve = over_seeds(
                    group.filter(pl.col(x) == value) if x else group, ["step"], [f"{part}_error"]
                )
                text = f"{short_name(x)} {value_text(value)}" if x else None
                draw_band(axes, curve, "step", f"{part}_error", color=color, label=text)
            axes.set_title(f"{part} {name}" + (f", {setting}" if setting else ""))
    has_rates = shown["test_error"].max() <= 1  # type: ignore[operator]
    panels[0, 0].set_ylim(0, min(panels[0, 0].get_ylim()[1], 1.0) if has_rates else None)
    for axes in panels[-1]:
        axes.set_xlabel(label("step"))
    if x:
        panels[0, 1].legend(frameon=False)
    figure.suptitle(f"{title}: {seeds_text(shown, ['step', *([x] if x else []), *others])}", fontsize=10)
    return figure


def heat_map(table: pl.DataFrame, x: str, y: str, others: list[str], title: str) -> Figure:
    """Draw mean test and training error over the grid of two numeric columns, a row of panels each setting.

    The white line is where the mean training error is 0.1: the interpolation threshold.

    Args:
        table: runs, or evaluations joined with the config, with `test_error` and `train_error`.
        x: column along the horizontal axis.
        y: column along the vertical axis.
        others: the other swept keys; each of their combinations, at most three, is a row of panels.
        title: what the figure is called.
    """
    rows = evenly_spaced(groups_of(table.filter(pl.col(y) > 0) if y == "step" else table, others), MOST_ROWS)
    figure = Figure(figsize=(7.4, 0.6 + 2.6 * len(rows)), layout="constrained")
    panels = figure.subplots(len(rows), 2, sharex=True, sharey=True, squeeze=False)
    name = quantity_name(table, "error")
    grids = [[_pivot(group, x, y, f"{part}_error") for part in ("test", "train")] for _, group in rows]
    for column, part in enumerate(("test", "train")):
        top = max(_color_limit(*row[column][1:], is_step=y == "step") for row in grids)
        for (setting, _), row, axes in zip(rows, grids, panels[:, column], strict=True):
            xs, ys, z = row[column]
            mesh = axes.pcolormesh(
                _edges(xs), _edges(ys), z, cmap=SEQUENTIAL, vmin=0, vmax=top, rasterized=True
            )
            scale_x(axes, xs, room=0.1)
            if y == "step":
                axes.set_yscale("log")
            else:
                scale_y(axes, ys)
            _contour(axes, *row[1])
            axes.set_title(f"{part} {name}" + (f", {setting}" if setting else ""))
        figure.colorbar(
            mesh, ax=panels[:, column], shrink=0.9 / len(rows), extend="max" if y == "step" else "neither"
        )
    for axes in panels[-1]:
        axes.set_xlabel(label(x))
    for axes in panels[:, 0]:
        axes.set_ylabel(label(y))
    seeds = seeds_text(table, [x, y, *others]).replace(" and 95% interval", "")
    figure.suptitle(f"{title}: {seeds}; white line: train error {EPSILON}", fontsize=10)
    return figure


def landscape_figure(table: pl.DataFrame, title: str) -> Figure:
    """Draw the line beta = 0 of every run in one panel, and the plane of at most five runs in a panel each."""
    seeds = {key: key.replace(".", " ") for key in ("data.seed", "seed") if table[key].n_unique() > 1}
    runs = groups_of(table.rename(seeds), [*swept(table), *seeds.values()])
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
    """Return at most `most` of the items, the first and the last among them, evenly spaced."""
    if len(items) <= most:
        return items
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def _pivot(table: pl.DataFrame, x: str, y: str, column: str) -> tuple[list[float], list[float], np.ndarray]:
    """Return the sorted values of x [X] and y [Y], and the mean of `column` [Y, X], NaN where no run was."""
    xs, ys = sorted(table[x].unique().drop_nulls()), sorted(table[y].unique().drop_nulls())
    z = np.full((len(ys), len(xs)), np.nan)
    places = {value: i for i, value in enumerate(xs)}, {value: i for i, value in enumerate(ys)}
    for x_value, y_value, mean in table.group_by(x, y).agg(pl.col(column).mean()).iter_rows():
        if x_value is not None and y_value is not None and mean is not None:
            z[places[1][y_value], places[0][x_value]] = mean
    return xs, ys, z


def _color_limit(ys: list[float], z: np.ndarray, is_step: bool) -> float:
    """Return the end of the colour scale: over steps, what the last factor of ten of training still reaches.

    The chance level of the first steps would leave no colours for the rest.
    """
    return float(np.nanquantile(z[np.asarray(ys) >= ys[-1] / 10], 0.95) if is_step else np.nanmax(z)) or 1.0


def _edges(values: list[float]) -> np.ndarray:
    """Return the edges [N+1] of cells around sorted `values` [N]: half-way, as the axis shows them."""
    points = np.log(values) if is_log(values) else np.asarray(values, dtype=float)
    if len(points) == 1:
        edges = np.array([points[0] - 0.5, points[0] + 0.5])
    else:
        middle = (points[1:] + points[:-1]) / 2
        edges = np.concatenate([[2 * points[0] - middle[0]], middle, [2 * points[-1] - middle[-1]]])
    return np.exp(edges) if is_log(values) else edges


def _contour(axes: Axes, xs: list[float], ys: list[float], train_error: np.ndarray) -> None:
    finite = train_error[np.isfinite(train_error)]
    if min(train_error.shape) > 1 and finite.min() < EPSILON < finite.max():
        axes.contour(xs, ys, train_error, levels=[EPSILON], colors="white", linewidths=1.5)
