"""Whether a prediction could come out both ways: some mean that its effect can have holds, and another does not.

What cannot fail tests nothing, and what cannot hold claims nothing; such a rule is refused when it is read.
"""

import math
from collections.abc import Mapping
from typing import Any

from overparam.claims import effects

Range = tuple[float, float]

ANY: Range = (-math.inf, math.inf)
POSITIVE: Range = (0.0, math.inf)
# By how the name of a measured value ends. An error is a share of samples; of regression, where it is a squared error,
# a prediction states its `range`.
OF_VALUES: dict[str, Range] = {
    "error": (0.0, 1.0),
    "share": (0.0, 1.0),
    **dict.fromkeys(("mse", "loss", "risk", "distance", "sharpness", "rank", "params", "flops"), POSITIVE),
    **dict.fromkeys(("_ms", "_mb"), POSITIVE),
}


def possible_range(target: str, knobs: Mapping[str, Any]) -> Range:
    """Return between which numbers the mean of an effect can be; for an effect that is not the lab's, any.

    Args:
        target: the effect's dotted path.
        knobs: its knobs: the measured value, and the cells that are compared.
    """
    low, high = next(
        (found for end, found in OF_VALUES.items() if str(knobs.get("value")).endswith(end)), ANY
    )
    width = high - low
    where = effects.__name__
    if target == f"{where}.{effects.difference.__name__}":
        if "minus" not in knobs:
            return low, high
        return _unless(knobs["of"] == knobs["minus"], (-width, width))
    if target == f"{where}.{effects.difference_of_differences.__name__}":
        return _unless(knobs["first"] == knobs["second"], (-2 * width, 2 * width))
    if target == f"{where}.{effects.log_ratio.__name__}":
        return _unless(knobs["of"] == knobs["over"], ANY)
    if target == f"{where}.{effects.largest_rise.__name__}":
        return -width, width
    return ANY


def _unless(is_same: bool, found: Range) -> Range:
    return (0.0, 0.0) if is_same else found  # a cell against itself


def why_impossible(
    found: Range, above: float | None, below: float | None, smallest: float | None
) -> str | None:
    """Return why a prediction could not come out both ways, in words; None if it could.

    Args:
        found: between which numbers the mean can be.
        above: the mean is predicted to be above this.
        below: ... and below this.
        smallest: the least distance from a bound that matters; None is any.
    """
    low, high = found
    by = smallest or 0.0
    says = f"its mean is between {low:g} and {high:g}" if low < high else f"its mean is always {low:g}"
    matters = f" by {smallest:g}" if smallest else ""
    least = low if above is None else max(low, above + by)
    most = high if below is None else min(high, below - by)
    at_most_touches = least == most and not smallest and least in (above, below)
    if least > most or at_most_touches:
        return f"it could never hold{matters}: {says}"
    is_below = above is not None and (low <= above - by if smallest else low < above)
    is_above = below is not None and (high >= below + by if smallest else high > below)
    return None if is_below or is_above else f"it could never fail{matters}: {says}"
