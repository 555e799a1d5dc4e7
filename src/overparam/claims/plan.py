"""What a claim will measure with, known before anything runs: its runs, and the code."""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from overparam.claims import intervals, sampling, verdict
from overparam.claims.claim import Claim
from overparam.claims.trained import Setup, compose_study, plan_sweeps
from overparam.errors import ConfigError
from overparam.runs.code import own_file, sources
from overparam.sweeps.grid import Run

JUDGES = (intervals.__name__, sampling.__name__, verdict.__name__)


def planned_runs(claim: Claim, setup: Setup) -> list[Run]:
    """Return the runs of a claim's sources by the names that they will have; none of an exact model.

    Runs that begin from the weights of others have no name before those are trained, and are left out.
    """
    knobs = claim.source.model_extra or {}
    found: list[Run] = []
    if knobs.get("after"):
        found += plan_sweeps(setup, knobs["after"])
    if knobs.get("experiment"):
        sweeps = list((knobs.get("sweeps") or {"": knobs.get("overrides", [])}).values())
        try:
            found += plan_sweeps(
                setup,
                knobs["experiment"],
                sweeps,
                knobs.get("replicate", "seed"),
                knobs.get("members", 0),
                knobs.get("sets", 1),
            )
        except ConfigError:
            if not found:
                raise
    return list({run.directory: run for run in found}.values())


def measuring_code(claim: Claim, setup: Setup) -> dict[str, str]:
    """Return what the files that make a claim's numbers hash to, by their paths below the folder they are found in.

    Of an exact model these are its file and all files of the lab that it imports, directly or not. Of runs it is the
    lab's package as a whole ("overparam", as a run's provenance has it), with the files of other classes, and of the
    study. Beside them stand the effects, the intervals and the verdict.
    """
    knobs = claim.source.model_extra or {}
    named = [claim.source.target, *(effect.target for effect in claim.effects.values()), *JUDGES]
    if knobs.get("study"):
        named.append(compose_study(setup, knobs["study"])["_target_"])
    files = dict(found for name in named if (found := own_file(name)))
    runs = planned_runs(claim, replace(setup, seeds=setup.seeds[:1]))
    hashes = sources(runs[0].cfg) if runs else {}
    if knobs.get("model") and not runs:
        files |= _imported(knobs["model"])
    hashes |= {name: hashlib.sha256(file.read_bytes()).hexdigest()[:16] for name, file in files.items()}
    return dict(sorted(hashes.items()))


def changed_files(then: dict[str, str], now: dict[str, str]) -> list[str]:
    """Return the files that are not in both with the same content."""
    return sorted(name for name in {*then, *now} if then.get(name) != now.get(name))


def _imported(target: str) -> Iterator[tuple[str, Path]]:
    """Yield name and path of a function's file, and of those of the lab's or a fork's that it imports, or they do."""
    waiting, seen = [target], set[str]()
    while waiting:
        found = own_file(waiting.pop())
        if found is None or found[0] in seen:
            continue
        seen.add(found[0])
        yield found
        for node in ast.walk(ast.parse(found[1].read_bytes())):
            if isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                waiting += [f"{node.module}.{alias.name}" for alias in node.names]
