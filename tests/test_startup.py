"""What a command imports before it is needed: nothing that takes a second."""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

HEAVY = ("torch", "lightning", "torchmetrics", "matplotlib", "polars", "numpy", "scipy", "sklearn", "wandb")


def imported(*arguments: str) -> set[str]:
    command = [sys.executable, "scripts/train.py", *arguments]
    environment = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    lines = [line for line in run.stderr.splitlines() if line.startswith("import time:")]
    assert len(lines) > 100
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


def test_help_and_a_finished_sweep_import_nothing_heavy(tmp_path: Path) -> None:
    assert imported("--help").isdisjoint(HEAVY)
    small = ("data.n_train=60", "trainer.max_steps=2", "trainer.accelerator=cpu", "logger=local")
    sweep = ("-m", "seed=0,1", "name=twice", f"paths.logs={tmp_path}", *small)
    assert imported(*sweep) >= {"torch", "matplotlib"}
    assert imported(*sweep).isdisjoint(HEAVY)
