"""A map of what label noise costs: benign, tempered or more (Mallinar et al. 2022)."""

from textwrap import wrap

import numpy as np
import polars as pl
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure

from overparam.analysis.axes import SEQUENTIAL, label, value_text

LEVELS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
SAYS = "cost of noise; benign below 0.1,\nabove 1 more than a\nnearest neighbour pays"


def regime_map(
    table: pl.DataFrame, title: str, x: str, y: str, noise: str, value: str, train: str | None = None
) -> Figure:
    """Draw the mean of a cost over the grid of two columns, a panel for each level of noise; each cell has its number.

    Args:
        table: a row for each measurement.
        title: of the figure.
        x: column along the horizontal axis.
        y: column along the vertical axis.
        noise: column of the level of noise.
        value: column of the cost, in units of what a nearest neighbour pays.
        train: column of the training error: right of a white line its mean is 0 in every cell, all noise is fitted.
    """
    means = table.group_by(x, y, noise).agg(pl.col(value, *([train] if train else [])).mean())
    xs, ys, levels = (means[key].unique().sort().to_list() for key in (x, y, noise))

    def grid(column: str, level: float) -> np.ndarray:
        kept = {(row[x], row[y]): row[column] for row in means.filter(pl.col(noise) == level).to_dicts()}
        return np.array([[kept.get((a, b), np.nan) for a in xs] for b in ys], dtype=float)

    figure = Figure(figsize=(1.6 + 2.6 * len(levels), 3.2), layout="constrained")
    panels = figure.subplots(1, len(levels), squeeze=False, sharey=True)[0]
    norm = BoundaryNorm(LEVELS, SEQUENTIAL.N, extend="both")
    for axes, level in zip(panels, levels, strict=True):
        cost = grid(value, level)
        mesh = axes.pcolormesh(cost, cmap=SEQUENTIAL, norm=norm, rasterized=True)
        for (row, column), number in np.ndenumerate(cost):
            if np.isfinite(number):
                color = "black" if number > 0.75 else "white"
                place = column + 0.5, row + 0.5
                axes.text(*place, f"{number:.2g}", ha="center", va="center", color=color, size=7)
        if train:
            for row, errors in enumerate(grid(train, level)):
                fitted = len(xs) - int(np.logical_and.accumulate(errors[::-1] == 0).sum())
                axes.plot([fitted, fitted], [row, row + 1], color="white", lw=2.5, clip_on=False)
        axes.set_xticks(np.arange(len(xs)) + 0.5, [value_text(a) for a in xs])
        axes.set_yticks(np.arange(len(ys)) + 0.5, [value_text(b) for b in ys])
        axes.set(xlabel=label(x), title=f"{label(noise)} {value_text(level)}")
    panels[0].set_ylabel(label(y))
    figure.colorbar(mesh, ax=list(panels)).set_label(SAYS, size=7)
    figure.suptitle("\n".join(wrap(title, 40 + 25 * len(levels))), fontsize=9)
    return figure
