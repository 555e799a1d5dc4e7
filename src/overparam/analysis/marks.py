"""Marks on curves: which points a claim compares, with a letter each."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from overparam.analysis.curves import over_seeds

ROW = "row of the table"  # the column that tells rows apart
NEAR = 20  # pixels of a figure in inches of 100: letters above both of two points would touch
MOST_RINGS = 3  # points of a cell that get a ring each; of more the stretch of the curve is marked


@dataclass(frozen=True)
class Mark:
    """What is compared, by the numbers of its rows in a table."""

    letter: str
    column: str  # whose values are compared
    cells: Sequence[Iterable[int]]  # each is a point, or a stretch of a curve


@dataclass
class Marked:
    """The marks of one panel, drawn at the end, so that letters at one point stand side by side."""

    axes: Axes
    rings: dict[tuple[float, float], list[str]] = field(default_factory=dict)
    places: dict[float, list[str]] = field(default_factory=dict)  # along x, of what is no curve here

    def add(self, marks: Sequence[Mark], rows: pl.DataFrame, x: str, y: Sequence[str], column: str) -> None:
        """Take the marks of one line: of `column`, and once of those that compare none of `y`."""
        for mark in marks:
            if mark.column != column and (mark.column in y or column != y[0]):
                continue
            for cell in mark.cells:
                places = rows.filter(pl.col(ROW).is_in(list(cell)))[x].drop_nulls().unique().sort()
                if places.is_empty():
                    continue
                curve = over_seeds(rows.filter(pl.col(x).is_in(places.implode())), [x], [column])
                points = curve.select(x, column).rows()
                if mark.column != column:
                    for place, _ in points[:MOST_RINGS]:
                        self.places.setdefault(place, []).append(mark.letter)
                elif len(points) <= MOST_RINGS:
                    for point in points:
                        self.rings.setdefault(point, []).append(mark.letter)
                else:
                    self.axes.plot(*zip(*points, strict=True), color="0.1", alpha=0.2, lw=7)
                    self.rings.setdefault(points[len(points) // 2], []).append(mark.letter)

    def draw(self) -> None:
        """Draw rings and letters."""
        bold: dict[str, Any] = {
            "weight": "bold",
            "size": 9,
            "path_effects": [withStroke(linewidth=2.5, foreground="white")],
        }
        taken: list[tuple[float, float]] = []
        for point, letters in self.rings.items():
            self.axes.scatter(*point, s=55, facecolors="none", edgecolors="0.1", lw=1.2, zorder=4)
            across, up = self.axes.transData.transform(point)
            is_free = all(math.hypot(across - x, up - y) > NEAR for x, y in taken)
            taken.append((across, up))
            text, offset = " ".join(dict.fromkeys(letters)), (0, 6 if is_free else -14)
            self.axes.annotate(text, point, offset, textcoords="offset points", ha="center", zorder=5, **bold)
        for place, letters in self.places.items():
            self.axes.axvline(place, color="0.4", lw=0.9, ls=":", zorder=0)
            text, across = " ".join(dict.fromkeys(letters)), self.axes.get_xaxis_transform()
            self.axes.text(place, 0.02, text, transform=across, ha="center", zorder=5, **bold)
