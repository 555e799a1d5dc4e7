"""The published ledger: CLAIMS.md, its figures, and the numbers behind it."""

import csv
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from overparam.claims.claim import Claim, claim_files, load_claim
from overparam.claims.covers import covers
from overparam.claims.ledger import (
    ENTRIES,
    Entry,
    Replaced,
    as_json,
    read_entries,
    replaced_lines,
    table_lines,
)
from overparam.claims.picture import draw, read_table, write_table
from overparam.claims.trained import Setup
from overparam.claims.verdict import Verdict
from overparam.errors import ConfigError, counted
from overparam.runs.damage import what_is_wrong
from overparam.runs.summary import whole

PAGE, FIGURES = "CLAIMS.md", ".github/figures/claims"

INTRODUCTION = """# Claims about overparameterized networks, judged by runs

Written by `python scripts/claims.py --publish` from {runs} runs and the exact models, over five seeds or as many as a
row says; `make claims` makes the ledger again, on your machine in `logs/claims/`. Of {count} rows {verdicts}.

A claim is a file of [configs/claim/](configs/claim/): where its numbers come from, its effects, and the bounds of
each effect. An effect holds if its whole 95% interval over seeds is within the bounds, does not hold if the whole is
outside, and is inconclusive otherwise; a claim that two numbers are equal has two bounds, for the signed mean. A claim
holds if all its effects do, and does not hold if one does not. All of this is about small networks on small data:
elsewhere a claim may fare otherwise. What texts say of overparameterized networks, sentence by sentence, and which row
tests it: [statements.md](.github/docs/statements.md).

An interval is Student's for a fixed number of seeds, or, where it says "any time", a confidence sequence (Wang &
Ramdas 2024): seeds are added until it decides, which does not bias it, and the effects that do not hold are found by
Holm's method, so that many effects do not fail a claim by chance. It is for effects that are about normal: of
sequences that are looked at from 4 to 100 seeds it ever misses the mean in 2% of normal ones, in 12% of exponential and
in 25% of lognormal ones, so that of an effect as skewed as these it says too much. Older rules were judged without
that; where it would change their verdict, the row says so. The column "rule fixed" says whether effects and bounds were
written down before or after a look at the runs, whether they were sealed before the data (rule, runs and code, in a
file beside the claim), and what varies over the seeds: an interval covers that, and nothing else, but where it says
"and test samples": there it has the sampling error of the test set that the seeds share too, sqrt(sum_j (D_j - D)^2) /
m for the effect D_j on each of m samples, paired (src/overparam/claims/sampling.py). Where a rule was replaced, the
verdict by the rule before stands below the new one, and [under the table](#replaced-rules) with the reason; "to be
rerun" says that no run was judged by the new rule.

Behind the table: [claims.json]({figures}/claims.json) has all of it for programs: rule, seal, effects, runs, code;
[effects.csv]({figures}/effects.csv) every effect with its value for each seed,
[runs.csv]({figures}/runs.csv) the identity of every run; a CSV of a claim's name is the table of its curves.
"""
FIGURES_SAY = (
    "Curves are means over seeds, with bands of 95%. A letter stands at the points, or the stretch, that the effect of "
    "that letter compares, or along a dotted line where what it compares is no curve of the figure. Where the runs of "
    "a row are gone and left no table, it has the effects alone, or a picture of that time without letters."
)
VERDICTS: dict[Verdict, str] = {
    "holds": "hold",
    "does not hold": "do not hold",
    "inconclusive": "are inconclusive",
    "to be rerun": "are to be rerun",
}
OF_ONE: dict[Verdict, str] = {
    "holds": "holds",
    "does not hold": "does not hold",
    "inconclusive": "is inconclusive",
    "to be rerun": "is to be rerun",
}
EFFECT_COLUMNS = (
    *("claim", "effect", "says", "above", "below"),
    *("mean", "half_width", "interval", "verdict", "values"),
)


def publish(out: Path, root: Path) -> Path:
    """Write the ledger in `out` to `root`, with figures, effects and run identities; return the page.

    A claim that was not judged in `out` by its present rule keeps its published entry; if that is by another rule, its
    verdict becomes a replaced one, and the claim is to be rerun. What an entry says in words is what the claim's file
    says today.

    Raises:
        ConfigError: if a claim of configs/claim/ was never judged, or over fewer seeds than it asks for, or its rule
            was replaced without a reason.
    """
    folder = root / FIGURES
    claims = {name: load_claim(path) for name, path in claim_files().items()}
    judged = {entry.name: entry for entry in read_entries(out)}
    published = {entry.name: entry for entry in published_entries(root)}
    if missing := sorted(set(claims) - set(judged) - set(published)):
        raise ConfigError(f"a ledger is published whole, and these are not judged yet: {', '.join(missing)}")
    entries = [
        _entry(name, claim, judged.get(name), published.get(name))
        for name, claim in sorted(claims.items(), key=lambda item: (item[1].number, item[0]))
    ]
    folder.mkdir(parents=True, exist_ok=True)
    for entry in entries:
        if not entry.effects:
            continue
        claim, figure, made = claims[entry.name], folder / entry.figure, out / entry.figure
        is_new = entry.name in judged and judged[entry.name].digest == entry.digest
        table = read_table(made.with_suffix(".csv")) if is_new else None
        if table is not None:
            write_table(claim, table, figure.with_suffix(".csv"))
        elif is_new and made.exists():
            shutil.copyfile(made, figure)
        if table is not None or not figure.exists():
            draw(claim, entry.effects, read_table(figure.with_suffix(".csv")), figure)
    effects = [
        (
            *(entry.name, e.name, e.says, *("" if b is None else b for b in (e.above, e.below))),
            *(e.mean, e.half_width, e.interval, says, " ".join(map(repr, e.values))),
        )
        for entry in entries
        for e, says in zip(entry.effects, entry.verdicts, strict=True)
    ]
    with whole(folder / "claims.json") as path:
        path.write_text(json.dumps([as_json(entry) for entry in entries], indent=1) + "\n", "utf-8")
    _write(folder / "effects.csv", EFFECT_COLUMNS, effects)
    _write(folder / "runs.csv", ("claim", "identity"), [(e.name, run) for e in entries for run in e.runs])
    page = root / PAGE
    lines = [
        _introduction(entries),
        *table_lines(entries, f"{FIGURES}/"),
        *_replaced(entries),
        *_figures(entries),
    ]
    with whole(page) as file:
        file.write_text("\n".join(lines) + "\n", "utf-8")
    return page


def published_entries(root: Path) -> list[Entry]:
    """Return what is published in `root`, nothing if that is no ledger's; raises `ConfigError` if it cannot be read."""
    file = root / FIGURES / "claims.json"
    try:
        return ENTRIES.validate_json(file.read_bytes()) if file.exists() else []
    except ValueError as error:
        raise ConfigError(f"{file} is damaged: {what_is_wrong(error)}") from error


def _entry(name: str, claim: Claim, judged: Entry | None, published: Entry | None) -> Entry:
    """Return what is published of a claim: a new judgement by its present rule, or else the one that stands."""
    if judged is not None and judged.digest != claim.digest:
        judged = None
    if judged is not None and len(judged.seeds) < claim.seeds:
        raise ConfigError(
            f"{name} was judged over {counted(len(judged.seeds), 'seed')}, and asks for {claim.seeds}"
        )
    if published is None or published.digest == claim.digest:
        entry = judged or published
        if entry is None:
            raise ConfigError(f"{name} was judged by another rule: judge it again")
        return replace(
            _in_words_of(claim, entry),
            replaced=published.replaced if published else [],
            definition=entry.definition or claim.definition,  # the same, by its digest
            covers=entry.covers or (covers(claim, Setup(Path(), claim.first_seeds)) if entry.effects else ""),
        )
    if claim.replaced is None:
        raise ConfigError(f"{name} has another rule than its published verdict: say why, in the key replaced")
    old = Replaced(published.verdict, published.effect_lines, claim.replaced)
    entry = _in_words_of(claim, judged) if judged else _unjudged(name, claim)
    return replace(entry, replaced=[*published.replaced, *([old] if published.effects else [])])


def _in_words_of(claim: Claim, entry: Entry) -> Entry:
    """Return an entry by the claim's present rule with its present words: an old sentence does not come back."""
    effects = [replace(effect, says=claim.effects[effect.name].says) for effect in entry.effects]
    return replace(entry, number=claim.number, claim=claim.claim, rule=claim.rule, effects=effects)


def _unjudged(name: str, claim: Claim) -> Entry:
    """Return the entry of a claim that no run was judged by."""
    return Entry(
        number=claim.number,
        name=name,
        claim=claim.claim,
        rule=claim.rule,
        effects=[],
        figure=f"{name}.png",
        runs=[],
        seeds=[],
        seconds=0.0,
        digest=claim.digest,
        definition=claim.definition,
    )


def _introduction(entries: Sequence[Entry]) -> str:
    counts = Counter(entry.verdict for entry in entries)
    return INTRODUCTION.format(
        runs=len({run for entry in entries for run in entry.runs}),
        count=len(entries),
        verdicts=", ".join(
            f"{counts[verdict]} {OF_ONE[verdict] if counts[verdict] == 1 else text}"
            for verdict, text in VERDICTS.items()
        ),
        figures=FIGURES,
    )


def _replaced(entries: Sequence[Entry]) -> list[str]:
    if not any(entry.replaced for entry in entries):
        return []
    return ["", "## Replaced rules", "", *replaced_lines(entries)]


def _figures(entries: Sequence[Entry]) -> list[str]:
    lines = ["", "## Figures", "", FIGURES_SAY]
    for entry in entries:
        if entry.effects:
            lines += ["", f"![{entry.claim}]({FIGURES}/{entry.figure})"]
    return lines


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with whole(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
