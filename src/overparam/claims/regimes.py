"""What fitting wrong labels costs, over samples, width and noise: benign, tempered or catastrophic."""

from typing import Any

import numpy as np
import polars as pl
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure

from overparam.analysis.axes import SEQUENTIAL
from overparam.claims.sources import Source, runs
from overparam.claims.trained import Setup

N, WIDTH, NOISE = "data.n_train", "model.width", "data.label_noise"
BENIGN, CATASTROPHIC = 0.1, 1.0  # costs between which a network is tempered
FITTED = 0.01  # training error, on the noisy labels, below which a network interpolates


def costs(setup: Setup, experiment: str) -> Source:
    """Train an experiment over samples, width and noise, and price the noise; a row is a setting with noise of a seed.

    The price is `cost` = (test error with noise - without) / noise rate, of one seed and so of one training set: 0 if
    wrong labels do no harm, 1 if a wrong label costs as much as it would if the network were to repeat it (a nearest
    neighbour does). Up to .1 it is benign, up to 1 tempered, above catastrophic; the names are of Mallinar et al. 2022
    (arXiv:2207.06569), whose limits of many samples they stand for here at finite n.

    Args:
        setup: where, over which seeds, and with whose configs.
        experiment: a file of configs/experiment/, that sweeps data.n_train, model.width and data.label_noise with 0.
    """
    table, used = runs(setup, experiment)
    keys = ["seed", N, WIDTH]
    clean = table.filter(pl.col(NOISE) == 0).select(*keys, clean_error=pl.col("test_error"))
    noisy = table.filter(pl.col(NOISE) > 0).join(clean, on=keys, maintain_order="left")
    return noisy.with_columns(cost=(pl.col("test_error") - pl.col("clean_error")) / pl.col(NOISE)), used


def least_cost(table: pl.DataFrame, noise: float) -> list[float]:
    """Return for each seed the cost in that setting, of those that interpolate, whose mean cost over seeds is least.

    A setting interpolates if its mean training error is at most `FITTED`.

    Raises:
        ValueError: if none does.
    """
    at = table.filter(pl.col(NOISE) == noise)
    means = at.group_by(N, WIDTH).agg(pl.col("cost", "train_error").mean())
    fitted = means.filter(pl.col("train_error") <= FITTED).sort("cost", N, WIDTH)
    if fitted.is_empty():
        raise ValueError(f"no setting with {NOISE}={noise} interpolates")
    n, width = fitted.select(N, WIDTH).row(0)
    found = at.filter(pl.col(N) == n, pl.col(WIDTH) == width).sort("seed")["cost"]
    return [float(value) for value in found]


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
