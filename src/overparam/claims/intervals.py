"""Intervals for the mean of an effect over seeds, their p-values, Holm's correction, and the seeds that are needed.

Two kinds. "fixed n" is Student's interval: right if the number of seeds was fixed before a look at them. "any time" is
a confidence sequence: with probability 1 - alpha it holds the mean at every number of seeds at once, so that one may
look after each seed and stop when one likes. Both take the effects of seeds for independent and normal.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import bisect
from scipy.stats import chi2, norm
from scipy.stats import t as student

Kind = Literal["fixed n", "any time"]

ALPHA = 0.05
POWER = 0.9
# c^2, the precision of the normal mixture over mean / deviation: about the narrowest for 4 to 8 seeds. With 1 it would
# be a tenth narrower for 30, and infinite for 4; a claim's effects are a few deviations, and its seeds are few.
PRECISION = 0.1
SIMULATIONS = 4000


def half_width(values: Sequence[float], kind: Kind, alpha: float = ALPHA, sampling: float = 0.0) -> float:
    """Return half the width of the 1 - alpha interval of the mean around the mean of `values`; infinite if too few.

    Args:
        values: one a seed.
        kind: of interval.
        alpha: the chance that the mean is outside.
        sampling: a standard error of the mean by something else than the seeds, which adds in squares, as normal.
    """
    return math.hypot(_over_seeds(values, kind, alpha), sampling * float(norm.isf(alpha / 2)))


def _over_seeds(values: Sequence[float], kind: Kind, alpha: float) -> float:
    n = len(values)
    if n < 2:
        return math.inf
    deviation = statistics.stdev(values)
    if kind == "fixed n":
        return float(student.ppf(1 - alpha / 2, n - 1)) * deviation / math.sqrt(n)
    return deviation * float(radius(n, alpha)) if deviation else 0.0


def radius(n: ArrayLike, alpha: float = ALPHA, precision: float = PRECISION) -> NDArray[np.float64]:
    """Return the half-width at `n` seeds of the Gaussian-mixture t confidence sequence, in sample deviations.

    Wang & Ramdas 2024 (Sequential Analysis 44, arXiv:2310.03722v5), equation (36) of theorem 4.9, here with the
    deviation whose square is divided by n - 1:

        r^2 = (n - 1) / n * (n + c^2) (1 - q) / (q (n + c^2) - c^2),   q = (alpha^2 c^2 / (n + c^2))^(1 / n),

    infinite where the denominator is not positive. The theorem's test martingale lives on the scale-free statistics of
    the data, and Ville's inequality bounds the chance that it ever passes 1 / alpha; so this holds at all n together,
    and at a time chosen by looking at anything.

    Args:
        n: numbers of seeds, of any shape.
        alpha: the chance that the mean is outside at one n or more.
        precision: c^2, of the prior N(0, 1 / c^2) on mean / deviation.
    """
    n = np.asarray(n, dtype=np.float64)
    q = (alpha**2 * precision / (n + precision)) ** (1 / n)
    below = q * (n + precision) - precision
    with np.errstate(divide="ignore", invalid="ignore"):
        square = (n - 1) / n * (n + precision) * (1 - q) / below
    return np.sqrt(np.where((below > 0) & (n > 1), square, np.inf))


def p_value(values: Sequence[float], mean: float, kind: Kind, sampling: float = 0.0) -> float:
    """Return the least alpha at which the interval of `values` leaves out `mean`; 1 if there is none.

    For "any time" that is the inverse of theorem 4.9's martingale, equation (35) of Wang & Ramdas 2024, for
    values - mean: (n + c^2) V / ((n + c^2) V - S^2) to the power n / 2 times sqrt(c^2 / (n + c^2)), with S their sum
    and V their sum of squares. With `sampling`, see `half_width`, it is found by bisection.
    """
    n = len(values)
    distance = abs(statistics.fmean(values) - mean)
    if n < 2 or distance == 0:
        return 1.0
    if sampling:
        return _least_alpha(lambda alpha: half_width(values, kind, alpha, sampling) - distance)
    deviation = statistics.stdev(values)
    if not deviation:
        return 0.0
    if kind == "fixed n":
        return float(2 * student.sf(distance * math.sqrt(n) / deviation, n - 1))
    square = n * distance**2  # of the mean's part in V = square + spread
    spread = (n - 1) * deviation**2
    top = (n + PRECISION) * (square + spread)
    log = 0.5 * math.log(PRECISION / (n + PRECISION)) + n / 2 * math.log(top / (top - n * square))
    return math.exp(-max(log, 0.0))


def _least_alpha(excess: Callable[[float], float]) -> float:
    """Return the alpha at which `excess`, the half-width of an interval less a distance, falls to 0."""
    least, most = 1e-12, 1 - 1e-12
    if excess(most) > 0:
        return 1.0
    return float(bisect(excess, least, most)) if excess(least) > 0 else least


def holm(p_values: Sequence[float], alpha: float = ALPHA) -> list[bool]:
    """Return which of a family of hypotheses Holm's step-down method (1979) rejects.

    The chance to reject one or more that are true is at most alpha, however they depend on each other. With p-values
    that hold at any time it is at most alpha over all times together: whenever a true one is rejected, one of the m
    true ones has p <= alpha / m, and that ever happens to each with a chance of at most alpha / m.
    """
    rejected = [False] * len(p_values)
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] * (len(p_values) - rank) > alpha:
            break
        rejected[index] = True
    return rejected


def upper_deviation(values: Sequence[float], confidence: float = 0.8) -> float:
    """Return the upper confidence limit of a deviation that a pilot measured.

    A pilot of five seeds often finds too small a spread, and an experiment that is planned with it too little power;
    with the 80% limit it has the planned power in four of five cases (Browne 1995, Statistics in Medicine 14).
    """
    freedom = len(values) - 1
    return statistics.stdev(values) * math.sqrt(freedom / float(chi2.ppf(1 - confidence, freedom)))


@lru_cache(maxsize=1024)
def seeds_needed(distance: float, most: int, power: float = POWER) -> int | None:
    """Return how many seeds the confidence sequence needs to see an effect; None if more than `most`.

    By simulation with fixed random numbers: the least n by which, looking after every seed, a share `power` of
    sequences have left out the bound.

    Args:
        distance: of the mean from the bound, in deviations.
        most: the most seeds that are tried.
        power: the share.
    """
    draws = np.random.default_rng(0).standard_normal((SIMULATIONS, most)) + distance
    n = np.arange(1, most + 1)
    means = draws.cumsum(1) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        variances = ((draws**2).cumsum(1) - n * means**2) / (n - 1)
        seen = means - np.sqrt(variances.clip(min=0)) * radius(n) > 0
    shares = np.logical_or.accumulate(np.nan_to_num(seen), axis=1).mean(0)
    enough = np.flatnonzero(shares >= power)
    return int(enough[0]) + 1 if len(enough) else None
