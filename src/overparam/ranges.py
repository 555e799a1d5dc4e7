"""Types of knobs that say their range, for annotations: `width: PositiveInt`. Infinity and NaN are outside of all."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

from annotated_types import Ge, Gt, Interval, Predicate

PositiveInt = Annotated[int, Interval(gt=0, lt=2**63)]
NonNegativeInt = Annotated[int, Interval(ge=0, lt=2**63)]
PositiveFloat = Annotated[float, Gt(0)]
NonNegativeFloat = Annotated[float, Ge(0)]
Share = Annotated[float, Interval(ge=0, le=1)]
PositiveShare = Annotated[float, Interval(gt=0, le=1)]
BelowOne = Annotated[float, Interval(ge=0, lt=1)]  # such as a probability that must leave something


def _ascend(steps: Sequence[int]) -> bool:
    return all(before < after for before, after in pairwise(steps))


Milestones = Annotated[list[PositiveInt], Predicate(_ascend)]  # steps, each after the one before
