"""Identities under which results were published, whose digits must stay what they are."""

import csv
import json
import re
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import get_object

from overparam.claims import trained
from overparam.claims.claim import load_claim
from overparam.runs.identity import flat_values, hash_of, identity
from overparam.runs.published import PUBLISHED
from overparam.runs.summary import SUMMARY, WEIGHTS, write_json
from overparam.sweeps.grid import expand
from overparam.training.build import resolve
from tests.conftest import CONFIGS, ROOT, compose_config

LEDGER = ROOT / ".github" / "figures" / "claims"
BYTES = b"stand-in for weights"
# Of single command lines, by the code that published the claims; {weights} is a file of these bytes.
PINNED = dict(
    reversed((line + " ").split(" ", 1))
    for line in (Path(__file__).parent / "pinned_identities.txt").read_text().splitlines()
)


@pytest.mark.parametrize("line", PINNED)
def test_a_command_line_keeps_its_identity(line: str, tmp_path: Path) -> None:
    (tmp_path / WEIGHTS).write_bytes(BYTES)
    overrides = line.format(weights=tmp_path / WEIGHTS).split()
    assert hash_of(identity(resolve(compose_config(*overrides)))) == hash_of(PINNED[line])


@cache
def judged_seeds() -> dict[str, tuple[int, ...]]:
    return {
        entry["name"]: tuple(entry["seeds"]) for entry in json.loads((LEDGER / "claims.json").read_text())
    }


@cache
def published() -> dict[str, set[str]]:
    claims: dict[str, set[str]] = defaultdict(set)
    with (LEDGER / "runs.csv").open() as file:
        for row in csv.DictReader(file):
            claims[row["claim"]].add(row["identity"])
    return claims


def finish_all(loader: Any, master: Any, points: Any, *rest: Any, **others: Any) -> None:
    """Leave for every run of a sweep what a run that starts from it looks for."""
    for run in expand(loader, master, points):
        run.directory.mkdir(parents=True, exist_ok=True)
        write_json(run.directory / SUMMARY, {"config": flat_values(run.cfg)})
        (run.directory / WEIGHTS).write_text(run.identity)


def names_of_sweeps(claim: str, logs: Path) -> dict[str, set[str]]:
    """The identities of all runs that a claim is made from, by the sweep's name."""
    judged = load_claim(CONFIGS / "claim" / f"{claim}.yaml")
    source, setup = judged.source.model_extra or {}, trained.Setup(logs, judged_seeds()[claim])
    sweeps = source.get("sweeps") or {"": source.get("overrides", [])}
    directories = {}
    if "after" in source:
        directories["after"] = trained.train_sweeps(setup, source["after"])[0]
    by_seed = source.get("replicate", "seed"), source.get("members", 0), source.get("sets", 1)
    found = trained.train_sweeps(setup, source["experiment"], list(sweeps.values()), *by_seed)
    directories |= dict(zip(sweeps, found, strict=True))
    return {sweep: {path.name for path in paths} for sweep, paths in directories.items()}


@pytest.mark.parametrize("claim", published())
def test_every_run_of_a_claim_keeps_its_identity(
    claim: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("overparam.sweeps.sweep.run_sweep", finish_all)
    sweeps = names_of_sweeps(claim, tmp_path)
    # These hash the weights they start from, whose last digits no other machine has.
    pretrained = sweeps.pop("pretrained", set())
    found = set(map(hash_of, set().union(*sweeps.values())))
    missing = [name for name in published()[claim] if hash_of(name) not in found]
    assert len(missing) == len(pretrained)
    assert Counter(map(numbers_of, missing)) == Counter(map(numbers_of, pretrained))


def numbers_of(name: str) -> str:
    """Of a readable part what stood there at all times: width, depth, n, noise, seed."""
    found = re.search(r"((-[wdnps][0-9.]+)+)-[0-9a-f]{10}$", name)
    assert found is not None
    return found[1]


def test_a_name_is_of_one_class_that_is_where_the_table_says() -> None:
    assert len(set(PUBLISHED.values())) == len(PUBLISHED)
    assert all(callable(get_object(path)) for path in PUBLISHED)
