"""A strip for each effect of a claim: its seeds, its mean and interval, and the bounds that it is held against."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

from matplotlib.figure import Figure

from overparam.analysis.axes import CATEGORICAL

COLORS = {"holds": CATEGORICAL[0], "does not hold": CATEGORICAL[1]}
WIDTH = 7.4  # inches, of a figure without curves
# Inches: a line of text, what a strip takes beside its text, their heading.
LINE, GAP, HEADING = 0.15, 0.26, 0.4
# Where text and axis begin, and how wide they are, as shares of the width.
SAYS, AXIS = (0.04, 0.4), (0.46, 0.29)


@dataclass(frozen=True)
class Strip:
    """What is drawn of an effect."""

    letter: str  # that stands at the points which it compares
    says: str
    values: Sequence[float]  # one a seed
    mean: float
    half_width: float  # of the interval; infinite if there is none
    above: float | None
    below: float | None
    verdict: str


def blank(title: str) -> Figure:
    """Return a figure of a title alone, for strips without curves above them."""
    lines = wrap(title, 90)
    figure = Figure(figsize=(WIDTH, 0.12 + 0.17 * len(lines)))
    figure.text(0.5, 0.5, "\n".join(lines), ha="center", va="center", fontsize=9)
    return figure


def add_strips(figure: Figure, strips: Sequence[Strip], verdict: str) -> None:
    """Draw strips below what a figure shows, which grows by what they need."""
    width, height = figure.get_size_inches()
    texts = ["\n".join(wrap(f"{s.letter}  {s.says}", int(15 * width * SAYS[1]))) for s in strips]
    tall = [LINE * max(2, text.count("\n") + 1) + GAP for text in texts]
    added = HEADING + sum(tall)
    _make_room(figure, width, height, added)
    whole = height + added
    top = (added - 0.12) / whole
    figure.text(SAYS[0] / 2, top, verdict, weight="bold", color=COLORS.get(verdict, "0.35"), va="top")
    figure.text(AXIS[0], top, "claimed: shaded; seeds, mean, 95% interval", fontsize=8, va="top")
    place = added - HEADING
    for strip, text, tallness in zip(strips, texts, tall, strict=True):
        middle = place - (tallness - GAP) / 2 - 0.04
        figure.text(SAYS[0] / 2, middle / whole, text, fontsize=8, va="center")
        half = strip.half_width if math.isfinite(strip.half_width) else 0.0
        said = f"{strip.mean:.3g} ± {strip.half_width:.2g}\n{strip.verdict}"
        color = COLORS.get(strip.verdict, "0.35")
        figure.text(sum(AXIS) + 0.02, middle / whole, said, fontsize=8, va="center", color=color)
        axes = figure.add_axes((AXIS[0], (middle - 0.1) / whole, AXIS[1], 0.2 / whole))
        axes.set_in_layout(False)
        bounds = [bound for bound in (strip.above, strip.below) if bound is not None]
        ends = [*strip.values, *bounds, strip.mean - half, strip.mean + half]
        room = 0.08 * (max(ends) - min(ends)) or 0.1
        low, high = min(ends) - room, max(ends) + room
        axes.axvspan(
            low if strip.above is None else strip.above,
            high if strip.below is None else strip.below,
            color="#56B4E9",
            alpha=0.25,
            lw=0,
        )
        for bound in bounds:
            axes.axvline(bound, color="0.1", lw=1.2, ls="--")
        axes.scatter(strip.values, [0.0] * len(strip.values), s=9, color=color, alpha=0.4, lw=0)
        axes.errorbar([strip.mean], [0], xerr=[half], fmt="o", ms=4.5, capsize=3, color=color)
        axes.set(xlim=(low, high), ylim=(-1, 1), yticks=[])
        axes.set_xticks(bounds, [f"{bound:g}" for bound in bounds], fontsize=8)
        axes.tick_params(length=2, pad=1)
        axes.spines[["left", "right", "top"]].set_visible(False)
        place -= tallness


def _make_room(figure: Figure, width: float, height: float, added: float) -> None:
    """Let a figure grow downwards; what is in it stays as large as it is laid out."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    share = height / (height + added)
    for axes in figure.axes:
        left, bottom, wide, high = axes.get_position().bounds
        axes.set_position((left, 1 - share * (1 - bottom), wide, share * high))
    for text in figure.texts:  # the title too
        text.set_y(1 - share * (1 - text.get_position()[1]))
    for legend in figure.legends:
        legend.set_bbox_to_anchor((0, 1 - share, 1, share), figure.transFigure)
    figure.set_size_inches(width, height + added)
