"""How a swept key looks on an axis: its name, its scale, its ticks, its colours."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

# Okabe & Ito's palette, told apart by colour-blind people; their yellow is left out, it is faint on white.
CATEGORICAL = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SEQUENTIAL = matplotlib.colormaps[
    "cividis"
]  # Nunez et al. 2018: the same to people with and without red-green vision

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
    """Return the last part of a dotted key, for file names and legends; the class for `model._target_`."""
    section, _, name = key.rpartition(".")
    return section if name == "_target_" else name


def label(key: str) -> str:
    """Return the name of a key as an axis says it."""
    return LABELS.get(key, short_name(key).replace("_", " "))


def value_text(value: Any) -> str:
    """Return a value as a tick or a legend says it; a config's null is "none"."""
    if isinstance(value, float):
        return f"{value:.3g}"
    return "none" if value is None else str(value)


def colors(values: Sequence[Any]) -> list[Any]:
    """Return a colour for each value: dark to light for numbers, distinct for names and few numbers."""
    is_ordered = all(isinstance(value, int | float) for value in values) and len(values) > 3
    if is_ordered or len(values) > len(CATEGORICAL):
        return [SEQUENTIAL(0.88 * i / (len(values) - 1)) for i in range(len(values))]
    return list(CATEGORICAL[: len(values)])


def is_log(values: Sequence[float]) -> bool:
    """Whether positive values span more than a factor of eight, and so are read on a logarithmic axis."""
    return min(values) > 0 and max(values) / min(values) > 8


def scale_x(axes: Axes, values: Sequence[float], ticks: bool = True, room: float = 0.06) -> None:
    """Set the scale that suits `values`, with ticks at them where their labels have room."""
    if is_log(values):
        axes.set_xscale("log")
    if ticks:
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_locator(FixedLocator(spaced_ticks(values, room)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))


def scale_y(axes: Axes, values: Sequence[float]) -> None:
    """The same for the vertical axis."""
    if is_log(values):
        axes.set_yscale("log")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(FixedLocator(spaced_ticks(values)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))


def _tick(value: float) -> str:
    return f"{value:.2g}" if abs(value) < 1 else f"{value:g}"


def spaced_ticks(values: Sequence[float], room: float = 0.06) -> list[float]:
    """Return the sorted values without those closer to the one before than `room` of the whole axis."""
    ordered = sorted(set(values))
    low, high = ordered[0], ordered[-1]

    def place(value: float) -> float:
        if is_log(ordered):
            return float(pl.Series([value / low]).log()[0]) / float(pl.Series([high / low]).log()[0])
        return (value - low) / (high - low or 1)

    kept = ordered[:1]
    for value in ordered[1:]:
        if place(value) - place(kept[-1]) >= room:
            kept.append(value)
    return kept
