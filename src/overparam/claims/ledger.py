"""The claims ledger: every claim's runs, effects, verdict and figure in one table."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import polars as pl
from pydantic import TypeAdapter

from overparam.analysis.code import codes
from overparam.analysis.collect import collect
from overparam.analysis.drawing import say_below
from overparam.analysis.tables import write_csv
from overparam.claims.claim import Claim, load_claim
from overparam.claims.trained import Setup, sweep_name
from overparam.claims.verdict import Effect, Verdict, verdict
from overparam.runs.damage import set_file_aside, what_is_wrong
from overparam.runs.summary import whole, write_json

DPI = 120  # of a figure


@dataclass(frozen=True)
class Replaced:
    """A verdict by a rule that is no more."""

    verdict: Verdict
    effects: list[str]  # each in words, with its mean, bounds and verdict
    why: str  # the rule was replaced


@dataclass(frozen=True)
class Entry:
    """A line of the ledger."""

    number: int
    name: str
    claim: str
    rule: str  # when effects and bounds were fixed
    effects: list[Effect]
    figure: str  # relative to the ledger
    runs: list[str]  # identities; empty for exact models, which have no runs
    seeds: list[int]
    seconds: float  # of judging, including the training of missing runs
    codes: list[str] = field(default_factory=list)  # what tells the runs' code apart, if several made them
    digest: str = ""  # of the rule that it was judged by, see `Claim.digest`
    replaced: list[Replaced] = field(default_factory=list)  # earlier verdicts, oldest first

    @property
    def verdict(self) -> Verdict:
        """What the effects say together."""
        return verdict(self.effects)

    @property
    def effect_lines(self) -> list[str]:
        """Each effect in words, with its mean, bounds and verdict."""
        return [f"{effect.says}: {effect}: {effect.verdict}" for effect in self.effects]


def judge(path: Path, setup: Setup, out: Path) -> Entry:
    """Train what a claim needs, measure its effects and draw its figure into `out`."""
    claim, started = load_claim(path, setup.config_dir), time.time()
    table, runs = claim.source(setup)
    effects = [Effect(name, p.says, p.above, p(table), p.below) for name, p in claim.effects.items()]
    shown = table
    if claim.figure.of == "effects":
        rows = [(e.name.replace("_", " "), value) for e in effects for value in e.values]
        shown = pl.DataFrame(rows, schema=["effect", "value"], orient="row")
    figure = claim.figure(shown, claim.claim)
    say_below(figure, said_by(effects))
    with whole(out / f"{path.stem}.png") as file:
        figure.savefig(file, dpi=DPI)
    with whole(out / f"{path.stem}.csv") as file:
        write_csv(table.select(pl.exclude(pl.List)), file)
    return Entry(
        *(claim.number, path.stem, claim.claim, claim.rule, effects, f"{path.stem}.png", runs),
        *(list(setup.seeds), time.time() - started, _codes(claim, setup, runs), claim.digest),
    )


def said_by(effects: Sequence[Effect]) -> list[str]:
    """Return a verdict and every effect with its bound, a line each."""
    return [f"{verdict(effects)}, by:", *(f"{e.says}: {e}: {e.verdict}" for e in effects)]


def _codes(claim: Claim, setup: Setup, runs: Sequence[str]) -> list[str]:
    knobs = claim.source.model_extra or {}
    sweeps = [setup.logs / sweep_name(knobs[key]) for key in ("experiment", "after") if knobs.get(key)]
    folders = [folder for sweep in sweeps for run in runs if (folder := sweep / run).is_dir()]
    return codes(collect(*folders)["code"]) if folders else []


def save_entry(entry: Entry, out: Path) -> None:
    """Write the entry to `out` as JSON, over an earlier one of the same claim."""
    words = {"verdict": entry.verdict, "effect_lines": entry.effect_lines}
    write_json(out / f"{entry.name}.json", {**asdict(entry), **words})


def read_entries(out: Path) -> list[Entry]:
    """Return the entries in `out`, from this and earlier calls, in the order of the claims; damaged ones go aside."""
    entries = []
    for path in sorted(out.glob("*.json")):
        try:
            entries.append(TypeAdapter(Entry).validate_json(path.read_bytes()))
        except ValueError as error:
            set_file_aside(path, what_is_wrong(error))
    return sorted(entries, key=lambda entry: (entry.number, entry.name))


def table_lines(entries: Sequence[Entry], figures: str = "") -> list[str]:
    """Return the ledger as lines of Markdown; `figures` is the path to the figures, with a slash."""
    lines = [
        "| # | claim | verdict | effects: mean over seeds ± 95% interval (claimed) | rule fixed | runs |",
        "|---|---|---|---|---|---|",
    ]
    for entry in entries:
        effects = "<br>".join(entry.effect_lines)
        holding = sum(effect.verdict == "holds" for effect in entry.effects)
        says = f"**{entry.verdict}**"
        if entry.effects:
            says += f" ({holding} of {len(entry.effects)} effects hold)"
        says += "".join(f"<br>by the rule before: {old.verdict}" for old in reversed(entry.replaced))
        runs = str(len(entry.runs)) if entry.runs else "exact, none" if entry.effects else ""
        if len(entry.codes) > 1:
            runs += f", made by {len(entry.codes)} codes: {'; '.join(entry.codes)}"
        claim = f"[{entry.claim}]({figures}{entry.figure})"
        lines.append(f"| {' | '.join((str(entry.number), claim, says, effects, entry.rule, runs))} |")
    return lines


def replaced_lines(entries: Sequence[Entry]) -> list[str]:
    """Return the verdicts by rules that are no more as lines of Markdown, with why the rules were replaced."""
    lines = [
        "| # | claim | verdict by the rule before | its effects | why it was replaced |",
        "|---|---|---|---|---|",
    ]
    for entry in entries:
        for old in entry.replaced:
            cells = (str(entry.number), entry.name, old.verdict, "<br>".join(old.effects), old.why)
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def write_ledger(out: Path) -> Path:
    """Gather all entries in `out` into `ledger.md`; return its path."""
    path = out / "ledger.md"
    with whole(path) as file:
        file.write_text("\n".join(table_lines(read_entries(out))) + "\n")
    return path
