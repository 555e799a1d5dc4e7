"""The claims ledger: every claim's runs, effects, verdict and figure in one table."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
from hydra.utils import get_method
from omegaconf import DictConfig, OmegaConf

from overparam.analysis.lines import line_figure
from overparam.claims.claim import load_claim
from overparam.claims.trained import Setup
from overparam.claims.verdict import Effect, Verdict, verdict
from overparam.runs.summary import write_json


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
    seconds: float  # what it took, training that was missing included

    @property
    def verdict(self) -> Verdict:
        """What the effects say together."""
        return verdict(self.effects)


def judge(path: Path, setup: Setup, out: Path) -> Entry:
    """Train what a claim needs, measure its effects and draw its figure into `out`."""
    claim, started = load_claim(path), time.time()
    table, runs = _source(claim.source, setup)
    effects = [_effect(str(name), effect, table) for name, effect in claim.effects.items()]
    drawn: Any = OmegaConf.to_container(claim.figure)
    shown = _effects_table(effects) if drawn.pop("of", None) == "effects" else table
    figure = line_figure(shown, claim.claim, **drawn)
    figure.savefig(out / f"{path.stem}.png", dpi=96)
    table.select(pl.exclude(pl.List)).write_csv(out / f"{path.stem}.csv")
    return Entry(
        claim.number,
        path.stem,
        claim.claim,
        claim.rule,
        effects,
        f"{path.stem}.png",
        runs,
        list(setup.seeds),
        time.time() - started,
    )


def save_entry(entry: Entry, out: Path) -> None:
    """Write the entry to `out`, as JSON, in the setup of an earlier one of the same claim."""
    write_json(out / f"{entry.name}.json", {**asdict(entry), "verdict": entry.verdict})


def read_entries(out: Path) -> list[Entry]:
    """Return the entries in `out`, from this and earlier calls, in the order of the claims."""
    entries = []
    for path in out.glob("*.json"):
        content = json.loads(path.read_text())
        del content["verdict"]
        entries.append(Entry(**{**content, "effects": [Effect(**effect) for effect in content["effects"]]}))
    return sorted(entries, key=lambda entry: (entry.number, entry.name))


def table_lines(entries: Sequence[Entry], figures: str = "") -> list[str]:
    """Return the ledger as lines of Markdown; `figures` is the path to the figures, with a slash."""
    lines = [
        "| # | claim | verdict | effects: mean over seeds ± 95% interval (claimed) | rule fixed | runs |"
    ]
    lines += ["|---|---|---|---|---|---|"]
    for entry in entries:
        effects = "<br>".join(f"{e.says}: {effect_text(e)}: {e.verdict}" for e in entry.effects)
        holding = sum(effect.verdict == "holds" for effect in entry.effects)
        says = f"**{entry.verdict}** ({holding} of {len(entry.effects)} effects hold)"
        runs = str(len(entry.runs)) if entry.runs else "exact, none"
        claim = f"[{entry.claim}]({figures}{entry.figure})"
        lines.append(f"| {' | '.join((str(entry.number), claim, says, effects, entry.rule, runs))} |")
    return lines


def write_ledger(out: Path) -> Path:
    """Gather all entries in `out` into `ledger.md`; return its path."""
    path = out / "ledger.md"
    path.write_text("\n".join(table_lines(read_entries(out))) + "\n")
    return path


def effect_text(effect: Effect) -> str:
    """Return mean, interval, bound and number of seeds in a few characters."""
    return f"{effect.mean:.3g} ± {effect.half_width:.2g} (> {effect.above:g}; {len(effect.values)} seeds)"


def _effects_table(effects: Sequence[Effect]) -> pl.DataFrame:
    """Return a row an effect and seed, as a figure of the effects themselves needs it."""
    rows = [{"effect": e.name.replace("_", " "), "value": value} for e in effects for value in e.values]
    return pl.DataFrame(rows)


def _source(node: DictConfig, setup: Setup) -> tuple[pl.DataFrame, list[str]]:
    knobs: Any = OmegaConf.to_container(node)
    target = knobs.pop("_target_")
    if "model" in knobs:
        knobs["model"] = get_method(knobs["model"])
    return get_method(target)(setup, **knobs)


def _effect(name: str, node: DictConfig, table: pl.DataFrame) -> Effect:
    knobs: Any = OmegaConf.to_container(node)
    function, says, above = (knobs.pop(key) for key in ("_target_", "says", "above"))
    return Effect(name, says, float(above), get_method(function)(table, **knobs))
