"""The claims ledger: every claim's runs, effects and verdict in one table."""

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from overparam.claims.verdict import Effect, Verdict, verdict, verdicts
from overparam.errors import counted, printable
from overparam.runs.damage import set_file_aside, what_is_wrong
from overparam.runs.summary import whole, write_json


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
    definition: dict[str, Any] = field(default_factory=dict)  # the rule: source, seeds, effects with bounds
    seal: dict[str, Any] | None = None  # the last one, with what its pilot measured and the seeds it asks for
    sealed: str = ""  # whether that is older than the data, and rule and code are as sealed; empty: no seal
    covers: str = ""  # which variation the intervals cover
    began: str | None = None  # when the oldest data were begun, UTC
    code: dict[str, str] = field(default_factory=dict)  # what the files that measured hash to
    commit: str | None = None  # of the lab, as it was judged

    @property
    def verdict(self) -> Verdict:
        """What the effects say together."""
        return verdict(self.effects)

    @property
    def verdicts(self) -> list[Verdict]:
        """What each effect says, as one of their family."""
        return verdicts(self.effects)

    @property
    def effect_lines(self) -> list[str]:
        """Each effect in words, with its mean, bounds and verdict."""
        return effect_lines(self.effects)

    @property
    def corrected(self) -> str:
        """What Holm's correction for several effects makes of a verdict that is without it; empty if the same."""
        found = verdict(self.effects, correct=True)
        return "" if found == self.verdict else f"with Holm's correction: {found}"

    @property
    def notes(self) -> list[str]:
        """What is to be known of the verdict beside its effects, a line each."""
        lines = [self.corrected] if self.corrected else []
        if needed := (self.seal or {}).get("needed"):
            lines.append(
                f"its smallest effects that matter need {counted(needed, 'seed')} (power 90%, by its pilot)"
            )
        lines.append(self.sealed or "not sealed")
        if self.covers:
            lines.append(f"over its seeds vary: {self.covers}")
        if bounds := [e.sampling_at_most for e in self.effects if e.sampling_at_most is not None]:
            lines.append(
                "without results for each test sample: that set's sampling error is in no interval, and is "
                f"{1.96 * max(bounds):.2g} at most (95%, binomial)"
            )
        return lines


log = logging.getLogger(__name__)

ENTRIES = TypeAdapter(list[Entry])


def effect_lines(effects: Sequence[Effect]) -> list[str]:
    """Return each effect in words, with its mean, bounds and verdict; where that is open, what is excluded."""
    lines = []
    for effect, says in zip(effects, verdicts(effects), strict=True):
        excluded = f", {effect.excluded}" if says == "inconclusive" and effect.excluded else ""
        lines.append(f"{effect.says}: {effect}: {says}{excluded}")
    return lines


def as_json(entry: Entry) -> dict[str, Any]:
    """Return all of an entry for programs: with its verdict, and each effect's mean, interval and verdict."""
    found = {**asdict(entry), "verdict": entry.verdict, "effect_lines": entry.effect_lines}
    for effect, says, content in zip(entry.effects, entry.verdicts, found["effects"], strict=True):
        half_width = effect.half_width if math.isfinite(effect.half_width) else None
        content |= {"mean": effect.mean, "half_width": half_width, "verdict": says}
    return found


def save_entry(entry: Entry, out: Path) -> None:
    """Write the entry to `out` as JSON, over an earlier one of the same claim."""
    write_json(out / f"{entry.name}.json", as_json(entry))


def read_entries(out: Path, is_ours: bool = True) -> list[Entry]:
    """Return the entries in `out`, from this and earlier calls, in the order of the claims.

    Args:
        out: the ledger's folder.
        is_ours: whether damaged entries go aside; in another's folder they are named, and left out.
    """
    entries = []
    for path in sorted(out.glob("[!.]*.json")):
        try:
            entries.append(TypeAdapter(Entry).validate_json(path.read_bytes()))
        except (ValueError, IsADirectoryError) as error:
            if is_ours:
                set_file_aside(path, what_is_wrong(error))
            else:
                log.warning("left out: %s is no entry of a ledger: %s", path, what_is_wrong(error))
    return sorted(entries, key=lambda entry: (entry.number, entry.name))


def table_lines(entries: Sequence[Entry], figures: str = "") -> list[str]:
    """Return the ledger as lines of Markdown; `figures` is the path to the figures, with a slash."""
    lines = [
        "| # | claim | verdict | effects: mean over seeds ± 95% interval (claimed) | rule fixed | runs |",
        "|---|---|---|---|---|---|",
    ]
    for entry in entries:
        effects = "<br>".join(entry.effect_lines)
        holding = entry.verdicts.count("holds")
        says = f"**{entry.verdict}**"
        if entry.effects:
            hold = "holds" if holding == 1 else "hold"
            says += f" ({holding} of {counted(len(entry.effects), 'effect')} {hold})"
        says += f"<br>{entry.corrected}" if entry.corrected else ""
        says += "".join(f"<br>by the rule before: {old.verdict}" for old in reversed(entry.replaced))
        runs = str(len(entry.runs)) if entry.runs else "exact, none" if entry.effects else ""
        if len(entry.codes) > 1:
            runs += f", made by {len(entry.codes)} codes: {'; '.join(entry.codes)}"
        claim = f"[{entry.claim}]({figures}{entry.figure})" if entry.figure else entry.claim
        notes = [note for note in entry.notes if note != entry.corrected] if entry.effects else []
        rule = "<br>".join([entry.rule, *notes])
        lines.append(_row((str(entry.number), claim, says, effects, rule, runs)))
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
            lines.append(_row(cells))
    return lines


def _row(cells: Sequence[str]) -> str:
    """Return a row of a table, in which a cell may hold a bar or lines."""
    said = (" ".join(printable(cell.replace("\n", " ")).split()).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(said)} |"


def write_ledger(out: Path) -> Path:
    """Gather all entries in `out` into `ledger.md`; return its path."""
    path = out / "ledger.md"
    with whole(path) as file:
        file.write_text("\n".join(table_lines(read_entries(out))) + "\n", "utf-8")
    return path
