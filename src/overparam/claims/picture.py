"""The figure of a claim: curves on which the compared points are marked, and below them every effect and its bounds."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import polars as pl
from hydra.utils import get_method

from overparam.analysis.marks import ROW, Mark
from overparam.analysis.strips import Strip, add_strips, blank
from overparam.analysis.tables import write_csv
from overparam.claims import effects as lab_effects
from overparam.claims.claim import Call, Claim
from overparam.claims.effects import LEAST, Where
from overparam.claims.verdict import Effect, verdict, verdicts
from overparam.runs.summary import whole

DPI = 160
FEWER = ("minus", "over")  # what an effect calls the cell that it holds another against


def draw(claim: Claim, effects: Sequence[Effect], table: pl.DataFrame | None, path: Path) -> None:
    """Write the figure of a claim to `path`.

    Args:
        claim: by which the effects were judged.
        effects: over its seeds.
        table: the source's, or what `write_table` left of it; without one the effects alone are drawn.
        path: of a PNG.
    """
    figure = blank(claim.claim) if table is None or claim.figure is None else _curves(claim, table)
    strips = [
        Strip(letter, e.says, e.values, e.mean, e.half_width, e.above, e.below, says)
        for letter, e, says in zip(ascii_lowercase, effects, verdicts(effects), strict=False)
    ]
    add_strips(figure, strips, verdict(effects))
    with whole(path) as file:
        figure.savefig(file, dpi=DPI)


def write_table(claim: Claim, table: pl.DataFrame, path: Path) -> None:
    """Write those columns of a claim's table that its effects and its figure name, to draw it again without runs."""
    calls = [*claim.effects.values(), *([claim.figure] if claim.figure else [])]
    named = {"seed", *(word for call in calls for word in _words(call.model_extra or {}))}
    with whole(path) as file:
        write_csv(table.select(column for column in table.columns if column in named), file)


def read_table(path: Path) -> pl.DataFrame | None:
    """Return what `write_table` wrote; None if there is nothing."""
    return pl.read_csv(path, infer_schema_length=None) if path.exists() else None


def _curves(claim: Claim, table: pl.DataFrame) -> Any:
    assert claim.figure is not None
    # A lab's own figure may take no marks.
    if "marks" not in inspect.signature(get_method(claim.figure.target)).parameters:
        return claim.figure(table, claim.claim)
    rows = table.with_row_index(ROW)
    marks = [
        Mark(
            letter, call.model_extra["value"], [compared(rows, *cell)[ROW].to_list() for cell in _cells(call)]
        )
        for letter, call in zip(ascii_lowercase, claim.effects.values(), strict=False)
        if call.model_extra
        and call.target.startswith(f"{lab_effects.__name__}.")  # what others compare is theirs
    ]
    return claim.figure(table, claim.claim, marks=marks)


def compared(table: pl.DataFrame, value: str, where: Where, pick: str | None = None) -> pl.DataFrame:
    """Return the rows that `effects.cell` takes its numbers from: with a pick of one row, one for each seed."""
    for column, wanted in where.items():
        is_range = isinstance(wanted, Mapping)
        table = table.filter(
            pl.col(column).is_between(wanted["from"], wanted["to"]) if is_range else pl.col(column) == wanted
        )
    if pick in (None, "mean"):
        return table
    by = pick.removeprefix(LEAST) if pick.startswith(LEAST) else value
    ordered = table.drop_nulls(by).sort(by, descending=pick == "max", maintain_order=True)
    return ordered.unique("seed", keep="first", maintain_order=True)


def _cells(call: Call) -> Iterator[tuple[str, Where, str | None]]:
    """Yield the value, the place and the pick of each cell that one of the lab's effects compares."""
    knobs: dict[str, Any] = call.model_extra or {}
    pairs = [knobs[name] for name in ("first", "second") if name in knobs] or [knobs]
    for pair in pairs:
        for where in (pair.get("of", {}), *(pair[name] for name in FEWER if name in pair)):
            if isinstance(where, Mapping):
                yield knobs["value"], where, knobs.get("pick")


def _words(value: Any) -> Iterator[str]:
    """Yield every word of what a YAML file says, "least held_out_error" as a whole and by words."""
    if isinstance(value, str):
        yield from (value, *value.split())
    elif isinstance(value, Mapping):
        yield from (word for pair in value.items() for part in pair for word in _words(part))
    elif isinstance(value, Sequence):
        yield from (word for part in value for word in _words(part))
