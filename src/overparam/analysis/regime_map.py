"""The map of what fitting wrong labels costs over samples and width."""

from typing import Any

import numpy as np
import polars as pl
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure

from overparam.analysis.axes import SEQUENTIAL

N, WIDTH, NOISE = "data.n_train", "model.width", "data.label_noise"
BENIGN, CATASTROPHIC = 0.1, 1.0  # costs between which a network is tempered
FITTED = 0.01  # training error, on the noisy labels, up to which a network interpolates


def regime_map(table: pl.DataFrame, title: str) -> Figure:
    """Draw the mean cost over samples and width, a panel for each noise rate; a dot is a setting that interpolates."""
    means = table.group_by(N, WIDTH, NOISE).agg(pl.col("cost", "train_error").mean())
    ns, widths, rates = (means[key].unique().sort().to_list() for key in (N, WIDTH, NOISE))
    figure = Figure(figsize=(3.4 * len(rates) + 0.8, 3.4), layout="constrained")
    norm = BoundaryNorm([-0.5, BENIGN, 0.4, 0.7, CATASTROPHIC, 1.5, 2.5], SEQUENTIAL.N, extend="both")
    for axes, rate in zip(figure.subplots(1, len(rates), squeeze=False)[0], rates, strict=True):
        cells: dict[tuple[Any, ...], tuple[Any, ...]] = {
            (row[N], row[WIDTH]): (row["cost"], row["train_error"])
            for row in means.filter(pl.col(NOISE) == rate).iter_rows(named=True)
        }
        grid = np.array([[cells.get((n, width), (np.nan,))[0] for n in ns] for width in widths])
        image = axes.imshow(grid, origin="lower", aspect="auto", cmap=SEQUENTIAL, norm=norm)
        dots = [(ns.index(n), widths.index(w)) for (n, w), (_, error) in cells.items() if error <= FITTED]
        axes.plot(*zip(*dots, strict=True) if dots else ([], []), "o", color="white", ms=3)
        axes.set_xticks(range(len(ns)), map(str, ns))
        axes.set_yticks(range(len(widths)), map(str, widths))
        axes.set(title=f"{rate:.0%} wrong labels", xlabel="training samples n", ylabel="width")
    figure.colorbar(
        image,
        ax=figure.axes,
        label=f"cost of noise: benign to {BENIGN:g}, catastrophic from {CATASTROPHIC:g}",
    )
    says = f"benign to {BENIGN:g}, tempered to {CATASTROPHIC:g}, then catastrophic; dots interpolate"
    figure.suptitle(f"{title}\n{says}", fontsize=9)
    return figure
