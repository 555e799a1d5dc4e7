"""From effects over seeds to a verdict.

Each effect is held against its bounds by an interval of 95%, so that on each side it misses the mean with a chance of
2.5%. A claim joins its effects by "and", which makes its two errors unlike:

- "holds" where it does not: some effect's mean is out of bounds, and still all effects were found within, that one too.
  However many there are, the chance is at most that one effect's, 2.5%: an intersection-union test (Berger 1982) needs
  no correction.
- "does not hold" where it does: it takes one of m effects to be found out of bounds, and each has its chance; for seven
  at their bound it would be 1 - .975^7 = 16%. So those that do not hold are found by Holm's method, which keeps the
  chance that any of them is wrong at 2.5%, or 5% with effects that have two bounds near to each other.

Rules that were judged before there was a correction keep their verdict until they opt in with `sequential`; where the
correction would change it, the ledger says so.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from overparam.claims.intervals import ALPHA, Kind, half_width, holm, p_value

Verdict = Literal["to be rerun", "does not hold", "inconclusive", "holds"]


@dataclass(frozen=True)
class Effect:
    """An effect whose mean a claim predicts to be above a bound, below one, or between two."""

    name: str
    says: str  # what is measured, in words
    above: float | None  # the claim predicts the mean to be above this
    values: list[float]  # one a seed
    below: float | None = None  # ... and below this
    interval: Kind = "fixed n"
    # Standard error by the draw of a test set that seeds share, see `sampling`; None: not known, or it has none.
    sampling: float | None = None
    sampling_at_most: float | None = None  # where it is not known

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return statistics.fmean(self.values)

    @property
    def half_width(self) -> float:
        """Half the width of the 95% interval of the mean, over seeds and test samples; infinite with one seed."""
        return half_width(self.values, self.interval, sampling=self.sampling or 0.0)

    @property
    def verdict(self) -> Verdict:
        """Holds if the whole interval is within the bounds, does not hold if it is outside, else inconclusive.

        This is the effect by itself, see `verdicts`. With two bounds it is a test of equivalence by two one-sided tests
        (Schuirmann 1987), of the signed mean: the spread over seeds widens the interval and is no bias of it, so that
        more seeds can only sharpen the verdict.
        """
        low, high = self.mean - self.half_width, self.mean + self.half_width
        above = -math.inf if self.above is None else self.above
        below = math.inf if self.below is None else self.below
        if above < low and high < below:
            return "holds"
        return "does not hold" if high < above or low > below else "inconclusive"

    @property
    def p_of_bounds(self) -> float:
        """The least alpha at which the whole interval is out of bounds; 1 if the mean is within them."""
        if self.above is not None and self.mean < self.above:
            return p_value(self.values, self.above, self.interval, self.sampling or 0.0)
        if self.below is not None and self.mean > self.below:
            return p_value(self.values, self.below, self.interval, self.sampling or 0.0)
        return 1.0

    @property
    def excluded(self) -> str:
        """How large an effect an interval that does not decide excludes, in words; empty if it excludes none."""
        if not math.isfinite(self.half_width):
            return ""
        low, high = self.mean - self.half_width, self.mean + self.half_width
        return f"less than {low:.2g} and more than {high:.2g} are excluded"

    @property
    def bounds(self) -> str:
        """The bounds in a few characters."""
        above, below = self.above, self.below
        if above is not None and below is not None:
            return f"between {above:g} and {below:g}"
        return f"> {above:g}" if above is not None else f"< {below:g}"

    def __str__(self) -> str:
        """Mean, interval, bounds and number of seeds in a few characters."""
        looked = ", any time" if self.interval == "any time" else ""
        drawn = " and test samples" if self.sampling else ""
        of = f"{len(self.values)} seeds{looked}{drawn}"
        return f"{self.mean:.3g} ± {self.half_width:.2g} ({self.bounds}; {of})"


def verdicts(effects: Sequence[Effect], correct: bool | None = None) -> list[Verdict]:
    """Return the verdict of each of a claim's effects, as one of their family.

    Args:
        effects: all of the claim's.
        correct: whether those that do not hold are found by Holm's method; None is: if their intervals are of any time.
    """
    if correct is None:
        correct = any(effect.interval == "any time" for effect in effects)
    alone: list[Verdict] = [effect.verdict for effect in effects]
    if not correct:
        return alone
    refuted = holm([effect.p_of_bounds for effect in effects], ALPHA)
    return [
        "does not hold" if is_refuted else "inconclusive" if own == "does not hold" else own
        for own, is_refuted in zip(alone, refuted, strict=True)
    ]


def verdict(effects: Sequence[Effect], correct: bool | None = None) -> Verdict:
    """A claim holds if all its effects do; it does not hold if one does not; else it is inconclusive.

    Without effects it is to be rerun: its rule was replaced, and no run was judged by the new one.
    """
    return min(verdicts(effects, correct), key=get_args(Verdict).index, default="to be rerun")
