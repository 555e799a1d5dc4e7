"""The numbers of one small run, pinned: a change of any stream, default or update rule shows here.

After a change that is meant to move them: `python -m tests.golden.test_golden` rewrites the file.
"""

import json
import tempfile
from pathlib import Path

import pytest

from overparam.loggers.metrics_table import read_metrics
from overparam.runs.identity import run_directory
from overparam.training.run import train
from tests.conftest import compose_config

GOLDEN = Path(__file__).with_name("digits_mlp.json")
RUN = (
    "data.n_train=300",
    "data.label_noise=0.2",
    "data.batch_size=50",
    "model.width=16",
    "model.depth=2",
    "trainer.max_steps=60",
    "trainer.accelerator=cpu",
    "trainer.precision=64-true",
    "logger=local",
    "seed=7",
)


def measure(logs: Path) -> dict:
    cfg = compose_config(*RUN, f"paths.logs={logs}")
    train(cfg)
    return {"identity": run_directory(cfg).name, "metrics": read_metrics(run_directory(cfg))}


def test_loss_curve_is_the_golden_one(tmp_path):
    golden, now = json.loads(GOLDEN.read_text()), measure(tmp_path)
    assert now["identity"] == golden["identity"]
    assert [row["step"] for row in now["metrics"]] == [row["step"] for row in golden["metrics"]]
    for row, expected in zip(now["metrics"], golden["metrics"], strict=True):
        # float64, so another CPU's order of summation stays far below this.
        assert row == pytest.approx(expected, rel=1e-6, abs=1e-9)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as logs:
        GOLDEN.write_text(json.dumps(measure(Path(logs)), indent=1) + "\n")
