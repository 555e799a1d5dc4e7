"""From effects over seeds to a verdict."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from scipy.stats import t as student

Verdict = Literal["does not hold", "inconclusive", "holds"]


@dataclass(frozen=True)
class Effect:
    """An effect that a claim predicts to be above `above`, as measured over seeds."""

    name: str
    says: str  # what is measured, in words
    above: float  # the claim predicts the mean to be above this
    values: list[float]  # one a seed

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return statistics.fmean(self.values)

    @property
    def half_width(self) -> float:
        """Half the width of Student's 95% interval of the mean; infinite with one seed."""
        n = len(self.values)
        if n < 2:
            return math.inf
        return float(student.ppf(0.975, n - 1)) * statistics.stdev(self.values) / math.sqrt(n)

    @property
    def verdict(self) -> Verdict:
        """Holds if the whole interval is above the bound, does not hold if it is below, else inconclusive."""
        if self.mean - self.half_width > self.above:
            return "holds"
        return "does not hold" if self.mean + self.half_width < self.above else "inconclusive"

    def __str__(self) -> str:
        """Mean, interval, bound and number of seeds in a few characters."""
        return f"{self.mean:.3g} ± {self.half_width:.2g} (> {self.above:g}; {len(self.values)} seeds)"


def verdict(effects: Sequence[Effect]) -> Verdict:
    """A claim holds if all its effects do; it does not hold if one does not; else it is inconclusive."""
    return min((effect.verdict for effect in effects), key=get_args(Verdict).index)
