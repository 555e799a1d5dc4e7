"""Scaling laws: loss = E + A / P^a + B / n^b, fitted on a grid, and a larger run that the fit predicts."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import curve_fit

from overparam.claims.effects import Where, cell

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Law:
    """loss(P, n) = floor + A / P^a + B / n^b (Hoffmann et al. 2022, arXiv:2203.15556, equation 2)."""

    floor: float
    log_a: float  # log A
    a: float
    log_b: float  # log B
    b: float

    def __call__(self, params: Array, samples: Array) -> Array:
        """Return the loss at P parameters and n samples."""
        of_size = np.exp(self.log_a - self.a * np.log(params))
        of_data = np.exp(self.log_b - self.b * np.log(samples))
        return self.floor + of_size + of_data

    @property
    def growth(self) -> float:
        """The exponent with which the best P grows in the budget C = P n, b / (a + b): where both terms fall alike."""
        return self.b / (self.a + self.b)


def fit(params: Array, samples: Array, loss: Array) -> Law:
    """Return the law by least squares of the logarithm of the loss, so that small losses count as large ones do.

    All of its numbers are held to be positive, and the floor to be below every loss. What it leaves out: that size and
    samples may matter by their ratio, as near an interpolation threshold or where the one that is short hides the
    other; and all that is of smaller order.

    Args:
        params: P [N].
        samples: n [N].
        loss: [N], positive.
    """

    def log_law(sizes: tuple[Array, Array], *numbers: float) -> Array:
        return np.log(Law(*numbers)(*sizes))

    least, most = [0.0, -20.0, 0.0, -20.0, 0.0], [loss.min(), 20.0, 3.0, 20.0, 3.0]
    start = (loss.min() / 2, 0.0, 0.5, 0.0, 0.5)
    found, _ = curve_fit(log_law, (params, samples), np.log(loss), start, bounds=(least, most), maxfev=20_000)
    return Law(*map(float, found))


def exponent_of_law(
    table: pl.DataFrame, value: str, of: Where, which: Literal["a", "b", "growth"]
) -> list[float]:
    """Return an exponent of the law for each seed: a of P, b of n, or `Law.growth` of the best P in the budget."""
    return [float(getattr(law, which)) for law in _laws(table, value, of)]


def log_error(table: pl.DataFrame, value: str, of: Where, at: Where) -> list[float]:
    """Return log2(measured / predicted) for each seed: `value` at `at` over what the law fitted to `of` says there."""
    places = [cell(table, column, at) for column in ("params", "n_train")]
    predicted = [
        float(law(np.array([p]), np.array([n]))[0])
        for law, p, n in zip(_laws(table, value, of), *places, strict=True)
    ]
    pairs = zip(cell(table, value, at), predicted, strict=True)
    return [float(np.log2(measured / law)) for measured, law in pairs]


def _laws(table: pl.DataFrame, value: str, of: Where) -> list[Law]:
    """Return the law of each seed, fitted to the rows with the values of `of`."""
    chosen = [pl.col(column) == wanted for column, wanted in of.items()]
    rows = table.filter(*chosen).sort("seed", maintain_order=True)
    columns = ("params", "n_train", value)
    return [
        fit(*(group[column].cast(pl.Float64).to_numpy() for column in columns))
        for group in rows.partition_by("seed", maintain_order=True)
    ]
