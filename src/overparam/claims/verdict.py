"""From effects over seeds to a verdict."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from scipy.stats import t as student

Verdict = Literal["to be rerun", "does not hold", "inconclusive", "holds"]


@dataclass(frozen=True)
class Effect:
    """An effect whose mean a claim predicts to be above a bound, below one, or between two."""

    name: str
    says: str  # what is measured, in words
    above: float | None  # the claim predicts the mean to be above this
    values: list[float]  # one a seed
    below: float | None = None  # ... and below this

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
        """Holds if the whole interval is within the bounds, does not hold if it is outside, else inconclusive.

        With two bounds that is a test of equivalence by two one-sided tests (Schuirmann 1987), of the signed mean: the
        spread over seeds widens the interval and is no bias of it, so that more seeds can only sharpen the verdict.
        """
        low, high = self.mean - self.half_width, self.mean + self.half_width
        above = -math.inf if self.above is None else self.above
        below = math.inf if self.below is None else self.below
        if above < low and high < below:
            return "holds"
        return "does not hold" if high < above or low > below else "inconclusive"

    @property
    def bounds(self) -> str:
        """The bounds in a few characters."""
        above, below = self.above, self.below
        if above is not None and below is not None:
            return f"between {above:g} and {below:g}"
        return f"> {above:g}" if above is not None else f"< {below:g}"

    def __str__(self) -> str:
        """Mean, interval, bounds and number of seeds in a few characters."""
        return f"{self.mean:.3g} ± {self.half_width:.2g} ({self.bounds}; {len(self.values)} seeds)"


def verdict(effects: Sequence[Effect]) -> Verdict:
    """A claim holds if all its effects do; it does not hold if one does not; else it is inconclusive.

    Without effects it is to be rerun: its rule was replaced, and no run was judged by the new one.
    """
    return min((effect.verdict for effect in effects), key=get_args(Verdict).index, default="to be rerun")
