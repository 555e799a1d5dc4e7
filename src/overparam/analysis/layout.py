"""Which swept key is what in a figure: the axis, colours, panels, dashes."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from overparam.analysis.axes import legend_text, spoken
from overparam.analysis.drawing import is_number

NOISE = "data.label_noise"
NUMBERS = re.compile(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)")  # in a text
MOST_COLORS = 7  # that a reader tells apart
MOST_PANELS, MOST_COLUMNS, MOST_ROWS, MOST_DASHES, MOST_LINES = 12, 4, 3, 3, 9  # columns where there are rows


@dataclass(frozen=True)
class Layout:
    """What each swept key is. Keys that find no place are held at one value, never averaged over.

    `kept` has the values that are drawn of each key of which not all are, and `counts` how many there are.
    """

    x: str
    color: str | None = None
    columns: str | None = None  # panels side by side
    rows: tuple[str, ...] = ()  # panels below each other
    dash: str | None = None
    kept: dict[str, list[Any]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    is_joined: bool = True  # whether lines join what differs along x alone

    def shown(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return the runs that are drawn."""
        for key, values in self.kept.items():
            table = table.filter(pl.any_horizontal(pl.col(key).eq_missing(pl.lit(value)) for value in values))
        return table

    @property
    def note(self) -> str:
        """What is not drawn, in words; empty if all is."""
        said = []
        for key, values in self.kept.items():
            if len(values) == 1:
                said.append(f"{legend_text(key, values[0])} alone, of {self.counts[key]} values")
            else:
                said.append(f"{len(values)} of {self.counts[key]} values of {spoken(key)}")
        return "; ".join(said)

    def panels(self, table: pl.DataFrame) -> Iterator[tuple[list[str], pl.DataFrame]]:
        """Yield what each panel shows, in words, and its runs: row by row, and in it column by column."""
        columns = levels(table, self.columns) if self.columns else [None]
        for texts, row in settings(table, self.rows):
            for value in columns:
                panel = row.filter(pl.col(self.columns).eq_missing(pl.lit(value))) if self.columns else row
                here = [*([legend_text(self.columns, value)] if self.columns else []), *texts]
                yield here, panel


def lay_out(
    table: pl.DataFrame,
    x: str,
    keys: Sequence[str],
    color: str | None = None,
    facet: str | None = None,
    roles: Sequence[str] = ("columns", "color", "rows", "dash"),
    most_rows: int = MOST_ROWS,
) -> Layout:
    """Return what each swept key is in a figure over `x`, so that every line can be read and none is an average.

    Label noise becomes panels and the key with most values colours; then come panels, rows of panels, and dashes.

    Args:
        table: the runs.
        x: the column along the axis.
        keys: the swept keys, those with most values first.
        color: the key of the colours; None is chosen here.
        facet: the key of the panels side by side; None is chosen here.
        roles: what keys may become.
        most_rows: how many rows of panels there may be.
    """
    left = [key for key in keys if key not in (x, color, facet)]
    counts = {key: table[key].n_unique() for key in [*left, *filter(None, (color, facet))]}
    rows: list[str] = []
    columns = facet
    dash: str | None = None
    may_have_columns = "columns" in roles and columns is None
    if may_have_columns and NOISE in left and 1 < counts[NOISE] <= MOST_PANELS:
        columns = NOISE
        left.remove(NOISE)
    few = [key for key in left if counts[key] <= MOST_COLORS]
    # More values than there are colours become panels, if they can.
    if "color" in roles and color is None and left and (few or not may_have_columns or columns):
        left.remove(color := few[0] if few else left[0])
    if may_have_columns and columns is None and left:
        fitting = [key for key in left if counts[key] <= MOST_PANELS]
        left.remove(columns := fitting[0] if fitting else left[0])
    is_wide = bool(columns) and counts[str(columns)] > MOST_COLUMNS
    for key in list(left) if "rows" in roles and not is_wide else ():
        if np.prod([counts[row] for row in (*rows, key)]) <= most_rows:
            rows.append(key)
            left.remove(key)
    if "dash" in roles and is_number(table, x):  # between names there are no lines to dash
        lines = min(counts[color], MOST_COLORS) if color else 1
        fits = [key for key in left if counts[key] <= min(MOST_DASHES, MOST_LINES // lines)]
        dash = fits[0] if fits else None
    kept = {key: [_fullest(table, key)] for key in left if key != dash}
    for name, most in ((color, MOST_COLORS), (columns, MOST_PANELS)):
        if name and counts[name] > most:
            kept[name] = evenly_spaced(levels(table, name), most)
    return Layout(x, color, columns, tuple(rows), dash, kept, counts)


def _fullest(table: pl.DataFrame, key: str) -> Any:
    """Return the value that most runs have; of several the last."""
    counts = dict(table[key].value_counts().iter_rows())
    return max(reversed(levels(table, key)), key=counts.__getitem__)


def levels(table: pl.DataFrame, key: str) -> list[Any]:
    """Return the values of a column, sorted, null last; the numbers in texts count as numbers."""
    return sorted(table[key].unique(), key=_place)


def _place(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, str):
        return value is None, value or 0
    return False, [float(part) if i % 2 else part for i, part in enumerate(NUMBERS.split(value))], value


def settings(table: pl.DataFrame, keys: Sequence[str]) -> Iterator[tuple[list[str], pl.DataFrame]]:
    """Yield the runs of each combination of `keys` with its words, in the order of the values."""
    if not keys:
        yield [], table
        return
    groups = table.partition_by(keys, as_dict=True, maintain_order=True)
    for values in sorted(groups, key=lambda values: [_place(value) for value in values]):
        said = [legend_text(key, value) for key, value in zip(keys, values, strict=True)]
        yield said, groups[values]


def evenly_spaced(items: list[Any], most: int) -> list[Any]:
    """Return at most `most` of the items, evenly spaced, the first and the last among them."""
    if len(items) <= most:
        return items
    return [items[i] for i in np.linspace(0, len(items) - 1, most).round().astype(int)]
