"""Axes for swept keys: names, scales, ticks, colours."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from overparam.errors import printable

# Okabe & Ito's palette for colour-blind readers, without its yellow, which is faint on white.
CATEGORICAL = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Nunez et al. 2018: looks the same with and without red-green vision.
SEQUENTIAL = matplotlib.colormaps["cividis"]
LONGEST, LONGEST_TITLE = 30, 38  # characters of a value in a legend, and of a panel's title in a line

LABELS = {
    "data.n_train": "training samples n",
    "optimizer.lr": "learning rate",
    "trainer.max_steps": "training steps",
    "model.target_params": "parameters P, about",
    "params_per_sample": "parameters per training sample, P/n",
    "params_per_constraint": "parameters per constraint, P/(nK)",
    "params": "parameters P",
    "step": "optimizer step",
    "val_error": "validation error",
    "val_loss": "validation loss",
    "noise_fitted": "share of the wrong labels fitted",
    "gap_error": "generalization gap, test - train error",
}
# In a legend, a title, or a table's head, where a value stands beside the name.
SHORT = {"data.n_train": "n", "params_per_sample": "P/n", "params_per_constraint": "P/(nK)", "params": "P"}


def short_name(key: str) -> str:
    """Return the last part of a dotted key, for file names; the group for `model._target_` and `choices.model`."""
    group, _, name = key.rpartition(".")
    return (group if name == "_target_" else name).replace("/", "_")


def label(key: str) -> str:
    """Return the name of a key on an axis."""
    return LABELS.get(key, short_name(key).replace("_", " "))


def spoken(key: str) -> str:
    """Return the name of a key before a value."""
    return SHORT.get(key) or label(key)


def shortened(text: str) -> str:
    """Return a text that is too long for a legend without its middle."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}…{text[-(LONGEST // 2 - 1) :]}"


def legend_text(key: str, value: Any) -> str:
    """Return "label noise 0.2" for a config key and its value; of a column of names, or a group, the name alone."""
    if isinstance(value, str) and ("." not in key or key.startswith("choices.") or key.endswith("._target_")):
        return shortened(value_text(value))
    return f"{spoken(key)} {shortened(value_text(value))}"


def value_text(value: Any) -> str:
    """Return a value as text for a tick or a legend, as configs spell it; a config's null is "none".

    Example:
        >>> [value_text(value) for value in (0.9999, 1e-3, 2 / 3, 1e5, True, None)]
        ['0.9999', '0.001', '0.667', '1e+05', 'true', 'none']
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return _number(value)
    return "none" if value is None else printable(str(value))


def _number(value: float) -> str:
    """Return a number with the digits it has, up to six; with three if it has more."""
    texts = (f"{value:.{digits}g}" for digits in range(3, 7))
    return next((text for text in texts if float(text) == value), f"{value:.3g}")


def colors(values: Sequence[Any]) -> list[Any]:
    """Return a colour for each value: dark to light for many numbers, distinct for names and few numbers."""
    is_number = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if is_number and len(values) > 3:
        return [SEQUENTIAL(0.88 * i / (len(values) - 1)) for i in range(len(values))]
    return [CATEGORICAL[i % len(CATEGORICAL)] for i in range(len(values))]


def title_of(texts: Sequence[str]) -> str:
    """Return the title of a panel from what it shows, in two lines if it is long."""
    whole = ", ".join(texts)
    return whole if len(whole) <= LONGEST_TITLE else ",\n".join(texts)


def is_log(values: Sequence[float]) -> bool:
    """Return whether positive values span more than a factor of eight, and get a logarithmic axis."""
    return min(values) > 0 and max(values) / min(values) > 8


def linear_part(values: Sequence[float]) -> float | None:
    """Return the smallest magnitude beside zero or negative values, if they span decades; None if an axis suits them.

    Below it a logarithmic axis of both signs is linear.
    """
    sizes = [abs(value) for value in values if value]
    return min(sizes) if min(values) <= 0 and sizes and max(sizes) / min(sizes) > 30 else None


def scale(axes: Axes, which: str, values: Sequence[float], ticks: bool = True, room: float = 0.06) -> None:
    """Set the scale that suits `values` on the axis "x" or "y", with ticks at those that have room.

    Args:
        axes: where to draw.
        which: "x" or "y".
        values: what is drawn along the axis.
        ticks: whether the values are those to read; else ticks are round numbers.
        room: what share of the axis a tick of three characters needs.
    """
    axis = axes.xaxis if which == "x" else axes.yaxis
    if is_log(values):
        axes.set(**{f"{which}scale": "log"})
    elif (linear := linear_part(values)) is not None:
        getattr(axes, f"set_{which}scale")("symlog", linthresh=linear, linscale=0.5)
    if ticks:
        axis.set_major_locator(FixedLocator(spaced_ticks(values, room)))
    elif is_log(values):
        locator = LogLocator(subs=(1, 2, 5) if max(values) / min(values) < 1000 else (1,))
        if which == "x":  # beside each other long numbers touch
            places = locator.tick_values(min(values), max(values))
            inside = [place for place in places if min(values) <= place <= max(values)]
            axis.set_major_locator(FixedLocator(spaced_ticks(inside, 2 * room)))
        else:
            axis.set_major_locator(locator)
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))


def _tick(value: float) -> str:
    return _number(value) if abs(value) < 1 or abs(value) >= 1e6 else f"{value:.6g}"


def spaced_ticks(values: Sequence[float], room: float = 0.06) -> list[float]:
    """Return the sorted values without those whose text would touch that of the one before.

    Args:
        values: where ticks may be.
        room: what share of the whole axis a text of three characters needs.
    """
    ordered = sorted(set(values))
    places = [_place(value, ordered) for value in ordered]
    kept = [0]
    for i in range(1, len(ordered)):
        wide = max(3, (len(_tick(ordered[i])) + len(_tick(ordered[kept[-1]]))) / 2) / 3
        if places[i] - places[kept[-1]] >= room * wide * (places[-1] - places[0]):
            kept.append(i)
    return [ordered[i] for i in kept]


def half_way(values: Sequence[float]) -> list[float]:
    """Return the edges of cells around sorted values: half-way on the axis that suits them, one more than there are."""
    at = [_place(value, values) for value in values]
    first, last = (at[1] - at[0], at[-1] - at[-2]) if len(at) > 1 else (1, 1)
    between = [(low + high) / 2 for low, high in itertools.pairwise(at)]
    return [_value(place, values) for place in (at[0] - first / 2, *between, at[-1] + last / 2)]


def _place(value: float, values: Sequence[float]) -> float:
    """Return where a value stands on the axis that suits `values`."""
    if is_log(values):
        return math.log10(value)
    if (linear := linear_part(values)) is None:
        return value
    size = abs(value) / linear
    return math.copysign(size * 0.5 if size < 1 else 0.5 + math.log10(size), value)


def _value(place: float, values: Sequence[float]) -> float:
    """Return what stands at a place of the axis that suits `values`."""
    if is_log(values):
        return 10.0**place
    if (linear := linear_part(values)) is None:
        return place
    size = abs(place)
    return math.copysign(linear * (2 * size if size < 0.5 else 10 ** (size - 0.5)), place)
