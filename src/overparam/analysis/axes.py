"""Axes for swept keys: names, scales, ticks, colours."""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from overparam.errors import printable

# Okabe & Ito's palette for colour-blind readers, without its yellow, which is faint on white.
CATEGORICAL = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Nunez et al. 2018: looks the same with and without red-green vision.
SEQUENTIAL = matplotlib.colormaps["cividis"]

LABELS = {
    "model.width": "width",
    "model.depth": "depth",
    "data.n_train": "training samples n",
    "data.label_noise": "label noise",
    "optimizer.lr": "learning rate",
    "optimizer.weight_decay": "weight decay",
    "trainer.max_steps": "training steps",
    "params_per_sample": "parameters per training sample, P/n",
    "params": "parameters P",
    "step": "optimizer step",
}


def short_name(key: str) -> str:
    """Return the last part of a dotted key, for file names and legends; the group for `model._target_`."""
    group, _, name = key.rpartition(".")
    return group if name == "_target_" else name.replace("/", "_")


def label(key: str) -> str:
    """Return the name of a key on an axis."""
    return LABELS.get(key, short_name(key).replace("_", " "))


def value_text(value: Any) -> str:
    """Return a value as text for a tick or a legend; a config's null is "none"."""
    if isinstance(value, float):
        return f"{value:.3g}"
    return "none" if value is None else printable(str(value))


def colors(values: Sequence[Any]) -> list[Any]:
    """Return a colour for each value: dark to light for many numbers, distinct for names and few numbers."""
    is_ordered = all(isinstance(value, int | float) for value in values) and len(values) > 3
    if is_ordered or len(values) > len(CATEGORICAL):
        return [SEQUENTIAL(0.88 * i / (len(values) - 1)) for i in range(len(values))]
    return list(CATEGORICAL[: len(values)])


def is_log(values: Sequence[float]) -> bool:
    """Return whether positive values span more than a factor of eight, and get a logarithmic axis."""
    return min(values) > 0 and max(values) / min(values) > 8


def scale(axes: Axes, which: str, values: Sequence[float], ticks: bool = True, room: float = 0.06) -> None:
    """Set the scale that suits `values` on the axis "x" or "y", with ticks at those that have room."""
    if is_log(values):
        axes.set(**{f"{which}scale": "log"})
    if ticks:
        axis = axes.xaxis if which == "x" else axes.yaxis
        axis.set_minor_locator(NullLocator())
        axis.set_major_locator(FixedLocator(spaced_ticks(values, room)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))


def _tick(value: float) -> str:
    return f"{value:.2g}" if abs(value) < 1 else f"{value:g}"


def spaced_ticks(values: Sequence[float], room: float = 0.06) -> list[float]:
    """Return the sorted values without those closer to the one before than `room` of the whole axis."""
    ordered = sorted(set(values))
    places = [math.log(value) for value in ordered] if is_log(ordered) else ordered
    least = room * (places[-1] - places[0])
    kept = [0]
    for i in range(1, len(ordered)):
        if places[i] - places[kept[-1]] >= least:
            kept.append(i)
    return [ordered[i] for i in kept]
