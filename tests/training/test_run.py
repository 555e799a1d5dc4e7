"""One run: what it leaves behind, and that killing it changes nothing."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from overparam.errors import ConfigError
from overparam.loggers.metrics_table import read_metrics
from overparam.runs.identity import run_directory
from overparam.runs.state import AlreadyRunning, Diverged, lock
from overparam.training.run import train
from tests.conftest import ROOT, read_json


def test_a_run_leaves_its_files_and_regime(small):
    cfg = small("model.width=5", "data.label_noise=0.4")
    summary = train(cfg)
    run_dir = run_directory(cfg)
    assert {"config.yaml", "metrics.csv", "provenance.json", "summary.json", "weights.pt"} <= {
        path.name for path in run_dir.iterdir()
    }
    assert summary == read_json(run_dir / "summary.json")
    assert summary["params"] == 64 * 5 + 5 + 5 * 10 + 10
    assert summary["params_per_sample"] == summary["params"] / 60
    assert summary["params_per_constraint"] == summary["params"] / 600
    assert (summary["n_train"], summary["num_outputs"], summary["steps"]) == (60, 10, 40)
    rate = summary["noise_rate"]
    mixed = (1 - rate) * summary["train_error_clean"] + rate * summary["train_error_noisy"]
    assert mixed == pytest.approx(summary["train_error"], abs=1e-12)
    assert OmegaConf.load(run_dir / "config.yaml").data.seed == 0


def test_final_numbers_are_those_of_the_saved_weights(small):
    cfg = small("model.width=7", "data.label_noise=0.2", "model.norm=batch", "data.batch_size=20")
    summary = train(cfg)
    from overparam.training.build import assemble

    parts = assemble(cfg)
    net = parts.build_module().net
    net.load_state_dict(torch.load(run_directory(cfg) / "weights.pt", weights_only=True))
    net.eval()
    parts.data.setup()
    with torch.no_grad():
        train_wrong = net(parts.data.train.x).argmax(1) != parts.data.train.y
        test_wrong = net(parts.data.test.x).argmax(1) != parts.data.test.y
    assert summary["train_error"] == pytest.approx(train_wrong.double().mean().item(), abs=1e-12)
    assert summary["test_error"] == pytest.approx(test_wrong.double().mean().item(), abs=1e-12)


def test_a_finished_run_is_not_trained_again(small):
    cfg = small()
    first = train(cfg)
    stamp = (run_directory(cfg) / "summary.json").stat().st_mtime_ns
    assert train(cfg) == first
    assert (run_directory(cfg) / "summary.json").stat().st_mtime_ns == stamp


def test_the_same_run_twice_gives_the_same_bits(small, tmp_path):
    options = ("data.batch_size=16", "model.dropout=0.2", "data.label_noise=0.1")
    runs = [
        run_directory(cfg) for cfg in (small(*options), small(*options, f"paths.logs={tmp_path / 'again'}"))
    ]
    train(small(*options))
    train(small(*options, f"paths.logs={tmp_path / 'again'}"))
    assert runs[0] != runs[1]
    for name in ("metrics.csv", "weights.pt"):
        assert (runs[0] / name).read_bytes() == (runs[1] / name).read_bytes()


def test_a_run_in_progress_elsewhere_is_left_alone(small):
    cfg = small()
    run_directory(cfg).mkdir(parents=True)
    with lock(run_directory(cfg)), pytest.raises(AlreadyRunning, match="another process"):
        train(cfg)
    assert not (run_directory(cfg) / "summary.json").exists()


def test_divergence_is_a_failure_with_its_step(small):
    cfg = small("optimizer=sgd", "optimizer.lr=1e8", "loss=mse", "trainer.max_steps=100")
    with pytest.raises(Diverged, match="at step"):
        train(cfg)
    assert not (run_directory(cfg) / "summary.json").exists()
    with pytest.raises(ConfigError, match=r"model\.width|width must be"):
        train(small("model.width=0"))


def test_worse_than_chance_is_a_warning(small):
    # With pair-wise swapped test labels no honest network is right: stand in for a broken pipeline.
    from overparam.data.digits import Digits

    load = Digits.load

    def swapped(self):
        pool = load(self)
        return pool._replace(test_y=(pool.test_y + 1) % 10)

    Digits.load = swapped
    try:
        summary = train(small("trainer.max_steps=100", "data.n_train=600"))
    finally:
        Digits.load = load
    assert "worse than chance" in summary["warnings"][0]


RESUMED = (
    "data.label_noise=0.2",
    "data.batch_size=100",
    "model.width=32",
    "model.dropout=0.1",
    "model.norm=batch",
    "scheduler=cosine",
    "trainer.max_steps=3000",
    "trainer.accelerator=cpu",
    "logger=local",
    "checkpoint_seconds=0.2",
)


def test_a_run_killed_twice_ends_bit_for_bit_as_if_undisturbed(tmp_path):
    def command(logs: Path) -> list[str]:
        return [sys.executable, "scripts/train.py", *RESUMED, f"paths.logs={logs}"]

    subprocess.run(command(tmp_path / "whole"), cwd=ROOT, check=True, capture_output=True)
    killed = tmp_path / "killed"
    seen = set()
    for _ in range(2):
        process = subprocess.Popen(
            command(killed), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None:
            checkpoints = {path.stat().st_mtime_ns for path in killed.glob("*/*/last.ckpt")}
            if checkpoints - seen:
                seen |= checkpoints
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.02)
        assert process.wait() == -signal.SIGKILL
        assert not list(killed.glob("*/*/summary.json"))
    assert len(seen) == 2
    subprocess.run(command(killed), cwd=ROOT, check=True, capture_output=True)

    (whole,), (resumed,) = (list(logs.glob("*/*")) for logs in (tmp_path / "whole", killed))
    for name in ("metrics.csv", "weights.pt"):
        assert (whole / name).read_bytes() == (resumed / name).read_bytes()
    first, second = (read_json(run / "summary.json") for run in (whole, resumed))
    assert {**first, "wall_seconds": 0} == {**second, "wall_seconds": 0}
    assert read_metrics(whole)[-1]["step"] == 3000
