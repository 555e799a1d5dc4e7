"""Searches that are not grids: Optuna, and what a W&B agent starts."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.conftest import CONFIGS, ROOT, read_json
from tests.sweeps.conftest import Sweep, results

pytestmark = pytest.mark.engines


@pytest.mark.skipif(
    importlib.util.find_spec("optuna") is None, reason="not installed: optuna (pip install overparam[optuna])"
)
def test_optuna_finds_the_best_of_its_trials(sweep: Callable[..., Sweep], tmp_path: Path) -> None:
    code, output = sweep("sweep=optuna", "hydra.sweeper.n_trials=3", "data.n_train=60").run()
    assert code == 0, output
    found = OmegaConf.load(tmp_path / "optuna" / "optimization_results.yaml")
    errors = [summary["test_error"] for summary in results(tmp_path / "optuna").values()]
    assert len(errors) == 3
    assert found.best_value == min(errors)


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
