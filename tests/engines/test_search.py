"""Searches that are not grids: Optuna, and what a W&B agent starts."""

import importlib.util
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from math import inf
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.conftest import CONFIGS, ROOT, read_json
from tests.sweeps.conftest import Sweep, results

pytestmark = pytest.mark.engines


with_optuna = pytest.mark.skipif(
    importlib.util.find_spec("optuna") is None, reason="not installed: optuna (pip install overparam[optuna])"
)
DIVERGING = ("sweep=optuna", "optimizer=sgd", "loss=mse", "optimizer.lr=tag(log,interval(1e-12,1e8))")


def trials(storage: Path) -> list[tuple[float, float]]:
    """Learning rate and value of each trial of a study, as it is stored."""
    rows = "trial_params as p join trial_values as v on p.trial_id = v.trial_id"
    with sqlite3.connect(storage) as database:
        found = database.execute(f"select p.param_value, v.value from {rows} order by p.trial_id")
        return [(rate, float(value)) for rate, value in found]


@with_optuna
@pytest.mark.parametrize(
    ("places", "worst"), [((), inf), (("hydra/launcher=local", "hydra.sweeper.n_jobs=2"), -inf)]
)
def test_optuna_learns_from_diverged_trials_and_goes_on_with_new_ones(
    sweep: Callable[..., Sweep], tmp_path: Path, places: tuple[str, ...], worst: float
) -> None:
    storage = tmp_path / "study.db"
    direction = f"hydra.sweeper.direction={'minimize' if worst > 0 else 'maximize'}"
    settings = (
        *DIVERGING,
        "optimizer.weight_decay=0",
        direction,
        f"hydra.sweeper.storage=sqlite:///{storage}",
    )
    for count in (4, 8):
        code, output = sweep(*settings, "hydra.sweeper.n_trials=4", *places).run()
        assert code == 0, output
        assert "trials diverged, 0 failed" in output
        assert len(trials(storage)) == count
    rates, values = zip(*trials(storage), strict=True)
    assert len(set(rates)) == 8
    assert 0 < values.count(worst) < 8
    assert sorted(v for v in values if v != worst) == sorted(
        summary["test_error"] for summary in results(tmp_path / "optuna").values()
    )


@with_optuna
def test_a_search_in_which_nothing_ends_well_says_so(sweep: Callable[..., Sweep]) -> None:
    hot = (*DIVERGING[:-1], "optimizer.lr=tag(log,interval(1e12,1e13))", "optimizer.weight_decay=0")
    code, output = sweep(*hot, "hydra.sweeper.n_trials=2").run()
    assert code == 2
    assert output.splitlines()[-1] == "error: 2 of 2 trials diverged, 0 failed"


@with_optuna
def test_optuna_finds_the_best_of_its_trials(sweep: Callable[..., Sweep], tmp_path: Path) -> None:
    code, output = sweep("sweep=optuna", "hydra.sweeper.n_trials=3", "data.n_train=60").run()
    assert code == 0, output
    found = OmegaConf.load(tmp_path / "optuna" / "optimization_results.yaml")
    errors = [summary["test_error"] for summary in results(tmp_path / "optuna").values()]
    assert len(errors) == 3
    assert found.best_value == min(errors)
    best, run = output.splitlines()[-2:]
    assert best.startswith(f"best trial: test_error {min(errors):.4g} with optimizer.lr=")
    assert results(tmp_path / "optuna")[run.strip()]["test_error"] == min(errors)


def test_what_a_wandb_agent_starts_trains_as_the_agents_run(tmp_path: Path) -> None:
    agent = OmegaConf.to_container(OmegaConf.load(CONFIGS / "sweep" / "wandb_agent.yaml"))
    values = {key: range_.get("value", range_.get("max")) for key, range_ in agent["parameters"].items()}
    arguments = [f"{key}={value}" for key, value in values.items()]
    extra = ["name=wandb_agent", "trainer.max_steps=5", f"paths.logs={tmp_path}"]
    environment = {**os.environ, "WANDB_SWEEP_ID": "s1", "WANDB_RUN_ID": "r1", "WANDB_MODE": "offline"}
    command = [sys.executable, agent["program"], *arguments, *extra]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    (summary,) = tmp_path.glob("wandb_agent/*/summary.json")
    assert agent["metric"]["name"] in read_json(summary)
    assert len(list(summary.parent.glob("wandb/offline-run-*/run-r1.wandb"))) == 1
