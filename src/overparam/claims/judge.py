"""A claim judged: its runs trained, its effects measured, seeds added until they decide, its figure drawn."""

import math
import time
from dataclasses import replace
from pathlib import Path

import polars as pl

from overparam.analysis.code import codes
from overparam.analysis.collect import collect
from overparam.claims.claim import Claim, load_claim
from overparam.claims.covers import covers
from overparam.claims.ledger import Entry
from overparam.claims.picture import draw, write_table
from overparam.claims.plan import measuring_code
from overparam.claims.sampling import at_most, standard_error, with_samples
from overparam.claims.seal import as_record, now, read_seals, said_of_seal
from overparam.claims.trained import Setup, sweep_name
from overparam.claims.verdict import Effect, verdict
from overparam.errors import ConfigError
from overparam.runs.code import lab_commit
from overparam.runs.provenance import started_at

GROWTH = 1.5  # how many times the seeds there are after each look that does not decide


def judge(path: Path, setup: Setup, out: Path, add_seeds: bool = True, before: Entry | None = None) -> Entry:
    """Train what a claim needs, measure its effects and draw its figure into `out`.

    Args:
        path: the claim's file.
        setup: where, over which seeds, and with whose configs.
        out: the ledger's folder.
        add_seeds: whether a claim with `sequential` adds seeds to those of `setup` until its effects decide.
        before: its entry in the ledger by now: an exact model leaves no runs that say when its data were begun.

    Raises:
        ConfigError: if one of the seeds is of the claim's pilot.
    """
    claim, started = load_claim(path, setup.config_dir), time.time()
    began: str | None = now()
    pilot = claim.sequential.pilot if claim.sequential else 0
    if seen := [seed for seed in setup.seeds if seed < pilot]:
        raise ConfigError(f"seed {seen[0]} is of its pilot, which is never judged: take {pilot} on")
    table, runs = claim.source(setup)
    effects = _measure(claim, table, _folders(claim, setup, runs))
    budget = len(claim.most_seeds) if claim.sequential and add_seeds else 0
    while verdict(effects) == "inconclusive" and len(setup.seeds) < budget:
        count = min(budget, math.ceil(GROWTH * len(setup.seeds)))
        added = tuple(range(setup.seeds[-1] + 1, setup.seeds[-1] + 1 + count - len(setup.seeds)))
        more, new_runs = claim.source(replace(setup, seeds=added))
        setup = replace(setup, seeds=(*setup.seeds, *added))
        table = pl.concat([table, more], how="diagonal_relaxed")
        runs = list(dict.fromkeys([*runs, *new_runs]))
        effects = _measure(claim, table, _folders(claim, setup, runs))
    write_table(claim, table, out / f"{path.stem}.csv")
    draw(claim, effects, table, out / f"{path.stem}.png")
    folders = _folders(claim, setup, runs)
    if runs:
        times = [started_at(folder) for folder in folders]
        began = None if None in times else min(filter(None, times), default=None)
    elif before is not None and before.digest == claim.digest:
        began = before.began
    code, seals = measuring_code(claim, setup), read_seals(path)
    return Entry(
        number=claim.number,
        name=path.stem,
        claim=claim.claim,
        rule=claim.rule,
        effects=effects,
        figure=f"{path.stem}.png",
        runs=runs,
        seeds=sorted(set(setup.seeds)),
        seconds=time.time() - started,
        codes=codes(collect(*folders)["code"]) if folders else [],
        digest=claim.digest,
        definition=claim.definition,
        seal=as_record(seals[-1] if seals else None),
        sealed=said_of_seal(seals, claim, code, began),
        covers=covers(claim, setup),
        began=began,
        code=code,
        commit=lab_commit().text or None,
    )


def _measure(claim: Claim, table: pl.DataFrame, folders: list[Path]) -> list[Effect]:
    table, effects = with_samples(claim, table, folders), []
    for name, prediction in claim.effects.items():
        effect = Effect(
            *(name, prediction.says, prediction.above, prediction(table), prediction.below),
            interval=claim.interval,
            sampling=standard_error(prediction, table),
        )
        if effect.sampling is None and folders:
            effect = replace(effect, sampling_at_most=at_most(prediction, table, folders[0]))
        effects.append(effect)
    for effect in effects:
        low, high = claim.effects[effect.name].possible
        if outside := [value for value in effect.values if not low <= value <= high]:
            raise ValueError(
                f"effects.{effect.name} is {outside[0]:g}, and its range is {low:g} to {high:g}: state its range"
            )
    return effects


def _folders(claim: Claim, setup: Setup, runs: list[str]) -> list[Path]:
    knobs = claim.source.model_extra or {}
    sweeps = [setup.logs / sweep_name(knobs[key]) for key in ("experiment", "after") if knobs.get(key)]
    return [folder for sweep in sweeps for run in runs if (folder := sweep / run).is_dir()]
