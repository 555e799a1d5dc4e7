"""The claims ledger: every claim's runs, effects, verdict and figure in one table."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
from hydra.utils import get_method, instantiate
from omegaconf import DictConfig, OmegaConf

from overparam.analysis.figures import save
from overparam.assemble import ConfigError
from overparam.claims.figure import claim_figure
from overparam.claims.sources import Place
from overparam.claims.verdict import Effect, verdict
from overparam.tracking.provenance import ROOT
from overparam.tracking.summary import write_json

FOLDER = ROOT / "configs" / "claim"
KEYS = {"number", "claim", "source", "effects", "figure"}


@dataclass(frozen=True)
class Entry:
    """A line of the ledger."""

    number: int
    name: str
    claim: str
    verdict: str
    effects: list[Effect]
    figure: str | None  # relative to the ledger
    runs: list[str]  # identities; empty for exact models, which have no runs
    seeds: tuple[int, ...]
    seconds: float


def load_claim(path: Path) -> DictConfig:
    """Read a claim, a YAML file of configs/claim/.

    Raises:
        ConfigError: if it is no claim.
    """
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in FOLDER.glob("*.yaml")))
        raise ConfigError(f"there is no claim {path.stem} in {path.parent}: there are {known}")
    claim = OmegaConf.load(path)
    assert isinstance(claim, DictConfig)
    if set(claim) != KEYS:
        raise ConfigError(f"{path.name} must have the keys {', '.join(sorted(KEYS))}")
    for name, effect in claim.effects.items():
        if missing := {"_target_", "says", "above"} - set(effect):
            raise ConfigError(f"{path.name}: effects.{name} lacks {', '.join(sorted(missing))}")
    return claim


def judge(path: Path, place: Place, out: Path) -> Entry:
    """Train what a claim needs, measure its effects and draw its figure into `out`."""
    claim, started = load_claim(path), time.time()
    table = _source(claim.source, place)
    effects = [_effect(str(name), effect, table) for name, effect in claim.effects.items()]
    figure = claim_figure(table, claim.claim, **OmegaConf.to_container(claim.figure))  # type: ignore[arg-type]
    files = save(figure, out / path.stem)
    table.select(pl.exclude(pl.List)).write_csv(out / f"{path.stem}.csv")
    identities = table["identity"].unique().sort().to_list() if "identity" in table.columns else []
    return Entry(
        claim.number,
        path.stem,
        claim.claim,
        verdict(effects),
        effects,
        files[0].name,
        identities,
        place.seeds,
        time.time() - started,
    )


def save_entry(entry: Entry, out: Path) -> None:
    """Write the entry to `out`, as JSON, in the place of an earlier one of the same claim."""
    write_json(out / f"{entry.name}.json", asdict(entry))


def write_ledger(out: Path) -> Path:
    """Gather all entries in `out`, from this and earlier calls, into `ledger.md`; return its path."""
    entries = [_read_entry(path) for path in out.glob("*.json")]
    lines = ["| # | claim | effect: mean ± 95% interval (claimed) | verdict | figure | runs |"]
    lines += ["|---|---|---|---|---|---|"]
    for entry in sorted(entries, key=lambda entry: (entry.number, entry.name)):
        effects = "<br>".join(f"{e.says}: {describe(e)}" for e in entry.effects)
        runs = f"{len(entry.runs)} ({entry.runs[0]}, ...)" if entry.runs else "exact, no runs"
        figure = f"[figure]({entry.figure})"
        cells = (str(entry.number), entry.claim, effects, f"**{entry.verdict}**", figure, runs)
        lines.append(f"| {' | '.join(cells)} |")
    path = out / "ledger.md"
    path.write_text("\n".join(lines) + "\n")
    return path


def _read_entry(path: Path) -> Entry:
    content = json.loads(path.read_text())
    return Entry(**{**content, "effects": [Effect(**effect) for effect in content["effects"]]})


def describe(effect: Effect) -> str:
    """Return mean, interval, bound and number of seeds in a few characters."""
    return f"{effect.mean:.3g} ± {effect.half_width:.2g} (> {effect.above:g}; {len(effect.values)} seeds)"


def _source(node: DictConfig, place: Place) -> pl.DataFrame:
    knobs: Any = OmegaConf.to_container(node)
    target = knobs.pop("_target_")
    if "model" in knobs:
        knobs["model"] = get_method(knobs["model"])
    return get_method(target)(place, **knobs)


def _effect(name: str, node: DictConfig, table: pl.DataFrame) -> Effect:
    knobs = {key: value for key, value in node.items() if key not in ("says", "above")}
    values = instantiate(OmegaConf.create({**knobs, "_convert_": "all"}), table)
    return Effect(name, node.says, float(node.above), values)
