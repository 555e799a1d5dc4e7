"""Full-batch gradient descent ends where its step size says: the top Hessian eigenvalue at 2/lr (Cohen et al. 2021)."""

import pytest

from overparam.loggers.metrics_table import read_metrics
from overparam.runs.identity import run_directory
from overparam.training.run import train
from tests.conftest import compose_config

LR = 0.4


def sharpness(logs, seed):
    small = [
        "data.n_train=100",
        "model.width=64",
        f"optimizer.lr={LR}",
        "trainer.max_steps=600",
        f"seed={seed}",
    ]
    often = ["measures=hessian", "measures.hessian.at=evaluations", "evaluation.per_decade=5"]
    fixed = ["logger=local", "trainer.accelerator=cpu", f"paths.logs={logs}"]
    cfg = compose_config("experiment=edge_of_stability", *small, *often, *fixed)
    train(cfg)
    return read_metrics(run_directory(cfg))


def test_sharpness_rises_to_two_over_lr_and_stays_there(tmp_path):
    runs = [sharpness(tmp_path, seed) for seed in (0, 1)]
    # Measured, seeds 0 to 3: from 4.5 to 4.8 at the lowest, 4.9 to 5.4 at the last three evaluations; 2/lr is 5.
    late = [row["hessian_top"] for rows in runs for row in rows[-3:]]
    assert sum(late) / len(late) == pytest.approx(2 / LR, rel=0.1)
    lowest = sum(min(row["hessian_top"] for row in rows) for rows in runs) / len(runs)
    assert lowest < 0.95 * 2 / LR
    assert all(rows[-1]["train_loss"] < 0.02 * rows[0]["train_loss"] for rows in runs)
