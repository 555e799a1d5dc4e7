"""The published ledger: CLAIMS.md, its figures, and the numbers behind it."""

import csv
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from overparam.claims.claim import claim_files
from overparam.claims.ledger import Entry, read_entries, table_lines
from overparam.claims.verdict import Verdict
from overparam.errors import ConfigError

PAGE, FIGURES = "CLAIMS.md", ".github/figures/claims"

INTRODUCTION = """# Claims about overparameterized networks, judged by runs

Written by `python scripts/claims.py --publish` from {runs} runs and the exact models, over the seeds {seeds};
`make claims` makes the ledger again, on your machine in `logs/claims/`. Of {count} rows {verdicts}.

A claim is a file of [configs/claim/](configs/claim/): where its numbers come from, its effects, and the bound that
each effect must be above. An effect holds if its whole 95% interval (Student's t, over seeds) is above the bound,
does not hold if the whole is below, and is inconclusive otherwise. A claim holds if all its effects do, and does not
hold if one does not. All of this is about small networks on small data: elsewhere a claim may fare otherwise. The
column "rule fixed" says whether effects and bounds were written down before or after a look at the runs.

Behind the table: [effects.csv]({figures}/effects.csv) has every effect with its value for each seed,
[runs.csv]({figures}/runs.csv) the identity of every run.
"""
VERDICTS: dict[Verdict, str] = {
    "holds": "hold",
    "does not hold": "do not hold",
    "inconclusive": "are inconclusive",
}
EFFECT_COLUMNS = ("claim", "effect", "says", "above", "mean", "half_width", "verdict", "values")


def publish(out: Path, root: Path) -> Path:
    """Write the ledger in `out` to `root`, with figures, effects and run identities; return the page.

    Raises:
        ConfigError: if a claim of configs/claim/ was not judged yet, or not over the same seeds.
    """
    names = list(claim_files())
    entries = [entry for entry in read_entries(out) if entry.name in names]
    if missing := sorted(set(names) - {entry.name for entry in entries}):
        raise ConfigError(f"a ledger is published whole, and these are not judged yet: {', '.join(missing)}")
    if len({tuple(entry.seeds) for entry in entries}) > 1:
        raise ConfigError(f"the entries of {out} are of different seeds: judge all with the same --seeds")
    folder = root / FIGURES
    folder.mkdir(parents=True, exist_ok=True)
    for entry in entries:
        shutil.copyfile(out / entry.figure, folder / entry.figure)
    effects = [
        (entry.name, e.name, e.says, e.above, e.mean, e.half_width, e.verdict, " ".join(map(repr, e.values)))
        for entry in entries
        for e in entry.effects
    ]
    _write(folder / "effects.csv", EFFECT_COLUMNS, effects)
    _write(folder / "runs.csv", ("claim", "identity"), [(e.name, run) for e in entries for run in e.runs])
    page = root / PAGE
    lines = [_introduction(entries), *table_lines(entries, f"{FIGURES}/"), *_figures(entries)]
    page.write_text("\n".join(lines) + "\n")
    return page


def _introduction(entries: Sequence[Entry]) -> str:
    counts = Counter(entry.verdict for entry in entries)
    return INTRODUCTION.format(
        runs=len({run for entry in entries for run in entry.runs}),
        seeds=", ".join(map(str, entries[0].seeds)),
        count=len(entries),
        verdicts=", ".join(f"{counts[verdict]} {text}" for verdict, text in VERDICTS.items()),
        figures=FIGURES,
    )


def _figures(entries: Sequence[Entry]) -> list[str]:
    lines = ["", "## Figures", "", "Means over seeds, with bands of 95%."]
    for entry in entries:
        lines += ["", f"![{entry.claim}]({FIGURES}/{entry.figure})"]
    return lines


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
