"""Packs through the command line: one job, many runs, killed and continued, one of them failing."""

import subprocess
import sys

from overparam.runs.metrics import read_metrics
from overparam.runs.provenance import resumed_at
from overparam.runs.state import read_failure
from tests.conftest import ENVIRONMENT, ROOT, command_line, read_json
from tests.gate import Gate

SWEEP = [
    "-m",
    "pack=auto",
    "name=packed",
    "logger=local",
    "data.n_train=100",
    "data.batch_size=20",
    "optimizer=sgd",
    "loss=mse",
]
SWEEP += [
    "model.width=3,4",
    "seed=0,1",
    "optimizer.lr=0.05,1e30",
    "checkpoint_seconds=1e-9",
    "trainer.max_steps=300",
]


def test_a_killed_packed_sweep_continues_and_a_diverging_member_fails_alone(tmp_path):
    gate = Gate(tmp_path)
    command = [sys.executable, "scripts/train.py", *SWEEP, f"paths.logs={tmp_path}"]
    process = subprocess.Popen([*command, *gate.overrides(step=100)], cwd=ROOT, env=ENVIRONMENT)
    gate.wait(process)
    process.kill()
    process.wait()
    assert not list(tmp_path.glob("*/*/summary.json"))
    assert len(list(tmp_path.glob("*/*/last.ckpt"))) == 4  # the others have diverged
    result = command_line("train.py", *SWEEP, f"paths.logs={tmp_path}")
    assert result.returncode == 2
    assert "8 runs are trained together, packs: 1" in result.stderr
    assert "4 of 8 runs failed" in result.stderr
    finished = [path.parent for path in tmp_path.glob("packed/*/summary.json")]
    assert len(finished) == 4
    for run_dir in finished:
        steps = [row["step"] for row in read_metrics(run_dir)]
        assert steps == sorted(set(steps))
        assert steps[-1] == read_json(run_dir / "summary.json")["steps"] == 300
        assert not (run_dir / "last.ckpt").exists()
        assert resumed_at(run_dir) == [79]
    failed = [path.parent for path in tmp_path.glob("packed/*/failure.json")]
    assert len(failed) == 4
    assert all(resumed_at(run_dir) == [] for run_dir in failed)
    assert all(read_failure(run_dir).reason.startswith("Diverged") for run_dir in failed)
