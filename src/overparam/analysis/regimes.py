"""A map of what interpolated label noise costs: benign, tempered or catastrophic (Mallinar et al. 2022)."""

import numpy as np
import polars as pl
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure

from overparam.analysis.axes import SEQUENTIAL, label, value_text

LEVELS = (-0.1, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
REGIMES = ((0.1, "benign"), (1.0, "tempered"), (np.inf, "catastrophic"))


def regime_map(
    table: pl.DataFrame, title: str, x: str, y: str, noise: str, value: str, threshold: str | None = None
) -> Figure:
    """Draw the cost of label noise over the grid of two columns, a panel for each level s > 0 of the noise.

    The cost is [value at s - value at 0] / s^2, a mean over seeds: the excess test error in units of the noise's
    variance. Below .1 it is called benign here, up to 1 tempered, above catastrophic; each cell has its number.

    Args:
        table: a row for each run.
        title: of the figure.
        x: column along the horizontal axis.
        y: column along the vertical axis.
        noise: column with the standard deviation of the label noise, of which one is 0.
        value: column of the test error, a mean of squares.
        threshold: a column; cells where its mean is 1 or more are to the right of a white line, as for P / n.
    """
    means = table.group_by(x, y, noise).agg(pl.col(value, *([threshold] if threshold else [])).mean())
    xs, ys = (means[key].unique().sort().to_list() for key in (x, y))
    levels = [s for s in means[noise].unique().sort() if s > 0]

    def grid(column: str, level: float) -> np.ndarray:
        kept = {(row[x], row[y]): row[column] for row in means.filter(pl.col(noise) == level).to_dicts()}
        return np.array([[kept.get((a, b), np.nan) for a in xs] for b in ys], dtype=float)

    figure = Figure(figsize=(1.4 + 3.4 * len(levels), 3.4), layout="constrained")
    panels = figure.subplots(1, len(levels), squeeze=False, sharey=True)[0]
    norm = BoundaryNorm(LEVELS, SEQUENTIAL.N, extend="both")
    for axes, level in zip(panels, levels, strict=True):
        cost = (grid(value, level) - grid(value, 0)) / level**2
        mesh = axes.pcolormesh(cost, cmap=SEQUENTIAL, norm=norm, rasterized=True)
        for (row, column), number in np.ndenumerate(cost):
            if np.isfinite(number):
                color = "black" if number > 1 else "white"
                axes.text(
                    *(column + 0.5, row + 0.5, f"{number:.2g}"), ha="center", va="center", color=color, size=7
                )
        if threshold:
            beyond = np.nan_to_num(grid(threshold, level)) >= 1
            for row, cells in enumerate(beyond):
                if 0 < (place := len(cells) - int(cells.sum())) < len(cells):
                    axes.plot([place, place], [row, row + 1], color="white", lw=2)
        axes.set_xticks(np.arange(len(xs)) + 0.5, [value_text(a) for a in xs])
        axes.set_yticks(np.arange(len(ys)) + 0.5, [value_text(b) for b in ys])
        axes.set(xlabel=label(x), title=f"{label(noise)} {value_text(level)}")
    panels[0].set_ylabel(label(y))
    said = ", ".join(f"{name} up to {most:g}" for most, name in REGIMES[:-1])
    figure.colorbar(mesh, ax=list(panels), label=f"cost of noise\n{said}")
    figure.suptitle(title, fontsize=9, wrap=True)
    return figure
