"""The page of closed forms: a table of residuals, and the figure behind it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from overparam.analysis.drawing import save
from overparam.analysis.tables import write_csv
from overparam.analysis.under_theory import Panel, theory_figure
from overparam.errors import counted
from overparam.exact.comparison import LARGEST, Entry, Residual
from overparam.runs.summary import whole

HEAD = ("at", "theory", "measured", "standard error", "residual", "verdict")


def lines(entries: Mapping[str, Entry], found: Mapping[str, Sequence[Residual]]) -> list[dict[str, str]]:
    """Return what the table says of every place that was measured, in words."""
    return [
        {
            "entry": name,
            "at": _place(entry, each),
            "theory": f"{each.theory:.5g}",
            "measured": f"{each.measured:.5g}",
            "standard error": f"{each.error:.2g}",
            "residual": f"{each.residual:+.2f}",
            "verdict": "agrees" if each.agrees else "DIFFERS",
        }
        for name, entry in entries.items()
        for each in found[name]
        if each.measured is not None
    ]


def write_page(
    entries: Mapping[str, Entry], found: Mapping[str, Sequence[Residual]], out: Path
) -> list[Path]:
    """Write theory.md, theory.csv and the figure theory.png and .pdf to `out`; return their paths."""
    figure = theory_figure([_panel(entry, found[name]) for name, entry in entries.items()], LARGEST)
    figures = save(figure, out / "theory.png")
    said = lines(entries, found)
    rows = [{"seeds": entries[row["entry"]].seeds, **row} for row in said]
    table, page = out / "theory.csv", out / "theory.md"
    with whole(table) as file:
        write_csv(pl.DataFrame(rows), file)
    off = sum(row["verdict"] != "agrees" for row in said)
    text = [
        "# Closed forms under the lab's measurements",
        "",
        f"{counted(len(said), 'place')} of {len(entries)} closed forms; {off} differ by more than "
        f"{LARGEST:g} standard errors. "
        "A residual is the mean over seeds of measured minus theory, over its standard error.",
        "",
        f"![Closed forms and measurements]({figures[0].name})",
    ]
    for name, entry in entries.items():
        shares = f"; {entry.shares}" if entry.shares else ""
        about = f"`{name}`, {entry.source}; {counted(entry.seeds, 'seed')}{shares}."
        text += ["", f"## {entry.says}", "", about, ""]
        text += [f"| {' | '.join(HEAD)} |", f"|{'---|' * len(HEAD)}"]
        text += [f"| {' | '.join(row[key] for key in HEAD)} |" for row in said if row["entry"] == name]
    with whole(page) as file:
        file.write_text("\n".join(text) + "\n")
    return [page, table, *figures]


def _place(entry: Entry, each: Residual) -> str:
    parts = [(entry.series, each.series)] if entry.series else []
    return ", ".join(
        f"{key.replace('_', ' ')} {value if isinstance(value, str) else f'{value:g}'}"
        for key, value in [*parts, (entry.x, each.x)]
    )


def _panel(entry: Entry, found: Sequence[Residual]) -> Panel:
    columns: dict[str, list[Any]] = {
        key: [getattr(each, key) for each in found]
        for key in ("series", "x", "theory", "measured", "error", "agrees")
    }
    table = pl.DataFrame(columns, strict=False)  # an x may be written as 1 and as 0.5
    return Panel(entry.says, table, entry.series, entry.log, entry.xlabel, entry.ylabel)
