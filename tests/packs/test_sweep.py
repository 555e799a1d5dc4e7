"""Packs through the command line: one job, many runs, killed and continued, one of them failing."""

import signal
import subprocess
import sys
import time

from overparam.runs.metrics import read_metrics
from overparam.runs.state import read_failure
from tests.conftest import ROOT, command_line, read_json

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
    "trainer.max_steps=3000",
]


def test_a_killed_packed_sweep_continues_and_a_diverging_member_fails_alone(tmp_path):
    command = [sys.executable, "scripts/train.py", *SWEEP, f"paths.logs={tmp_path}"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and len(list(tmp_path.glob("*/*/last.ckpt"))) < 4:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not list(tmp_path.glob("*/*/summary.json"))
    result = command_line("train.py", *SWEEP, f"paths.logs={tmp_path}")
    assert result.returncode == 2
    assert "8 runs are trained together, packs: 1" in result.stderr
    assert "4 of 8 runs failed" in result.stderr
    finished = [path.parent for path in tmp_path.glob("packed/*/summary.json")]
    assert len(finished) == 4
    for run_dir in finished:
        steps = [row["step"] for row in read_metrics(run_dir)]
        assert steps == sorted(set(steps))
        assert steps[-1] == read_json(run_dir / "summary.json")["steps"] == 3000
        assert not (run_dir / "last.ckpt").exists()
    failed = [path.parent for path in tmp_path.glob("packed/*/failure.json")]
    assert len(failed) == 4
    assert all(read_failure(run_dir).reason.startswith("Diverged") for run_dir in failed)
