"""Heat maps of the error (Nakkiran et al. 2019), and the landscape of the loss."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from overparam.analysis.axes import SEQUENTIAL, colors, half_way, label, scale, title_of
from overparam.analysis.curves import seeds_text
from overparam.analysis.drawing import MOST_DOTS
from overparam.analysis.figures import quantity_name
from overparam.analysis.layout import evenly_spaced, lay_out, settings
from overparam.analysis.swept import swept
from overparam.runs.summary import EPSILON

MOST_ROWS, MOST_PLANES = 4, 5
PARTS = ("test", "train")


def heat_map(table: pl.DataFrame, x: str, y: str, others: list[str], title: str) -> Figure:
    """Draw mean test and training error over the grid of two numeric columns, a row of panels for each setting.

    The white line is where the mean training error is 0.1: the interpolation threshold. One colour bar serves all.

    Args:
        table: finished runs, or evaluations joined with the config, with `test_error` and `train_error`.
        x: column along the horizontal axis.
        y: column along the vertical axis.
        others: the other swept keys; what has no place among the rows of panels is held at one value.
        title: of the figure.
    """
    is_step = y == "step"
    layout = lay_out(table, x, others, roles=("rows",), most_rows=MOST_ROWS)
    shown = layout.shown(table)
    shown = shown.filter(pl.col(y) > 0) if is_step else shown
    rows = list(settings(shown, layout.rows))
    figure = Figure(figsize=(7.4, 0.8 + 2.6 * len(rows)), layout="constrained")
    panels = figure.subplots(len(rows), 2, sharex=True, sharey=True, squeeze=False)
    xs, ys = (sorted(shown[key].drop_nulls().unique()) for key in (x, y))
    grids = [[_pivot(group, x, y, xs, ys, f"{part}_error") for part in PARTS] for _, group in rows]
    top = max(_color_limit(ys, z, is_step) for row in grids for z in row)
    for (texts, _), row, pair in zip(rows, grids, panels, strict=True):
        for part, z, axes in zip(PARTS, row, pair, strict=True):
            edges = half_way(xs), half_way(ys)
            mesh = axes.pcolormesh(*edges, z, cmap=SEQUENTIAL, vmin=0, vmax=top, rasterized=True)
            scale(axes, "x", xs, ticks=len(xs) <= MOST_DOTS, room=0.1)
            scale(axes, "y", ys, ticks=not is_step and len(ys) <= MOST_DOTS)
            _contour(axes, xs, ys, row[1])
            axes.set_title(title_of([f"{part} {quantity_name(table, 'error')}", *texts]))
    figure.colorbar(
        mesh, ax=panels, extend="max" if is_step else "neither", label=quantity_name(table, "error")
    )
    for axes in panels[-1]:
        axes.set_xlabel(label(x))
    for axes in panels[:, 0]:
        axes.set_ylabel(label(y))
    seeds = seeds_text(shown, [x, y, *layout.rows]).partition(",")[0].replace(" and 95% interval", "")
    said = f"{title}: {seeds}; white line: train error {EPSILON}"
    figure.suptitle("\n".join(filter(None, (said, layout.note))), fontsize=10)
    return figure


def landscape_figure(table: pl.DataFrame, title: str) -> Figure:
    """Draw the line beta = 0 of every run in one panel, and the plane of at most five runs in a panel each."""
    seeds = [key for key in ("data.seed", "seed") if key in table.columns and table[key].n_unique() > 1]
    runs = [(", ".join(texts), group) for texts, group in settings(table, [*swept(table), *seeds])]
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


def _pivot(table: pl.DataFrame, x: str, y: str, xs: list[float], ys: list[float], column: str) -> np.ndarray:
    """Return the mean of `column` at the values of x [X] and y [Y] as [Y, X], NaN where there is no run."""
    means = table.group_by(x, y).agg(pl.col(column).mean())
    places = pl.DataFrame({y: ys}, schema={y: table.schema[y]}).join(
        pl.DataFrame({x: xs}, schema={x: table.schema[x]}), how="cross"
    )
    z = places.join(means, on=[x, y], how="left", maintain_order="left")[column]
    return z.to_numpy().reshape(len(ys), len(xs))


def _color_limit(ys: list[float], z: np.ndarray, is_step: bool) -> float:
    """Return the end of the colour scale; over steps, that of the last factor of ten of training.

    The chance level of the first steps would leave no colours for the rest.
    """
    return float(np.nanquantile(z[np.asarray(ys) >= ys[-1] / 10], 0.95) if is_step else np.nanmax(z)) or 1.0


def _contour(axes: Axes, xs: list[float], ys: list[float], train_error: np.ndarray) -> None:
    finite = train_error[np.isfinite(train_error)]
    if min(train_error.shape) > 1 and finite.min() < EPSILON < finite.max():
        axes.contour(xs, ys, train_error, levels=[EPSILON], colors="white", linewidths=1.5)
