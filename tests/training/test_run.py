"""One run: what it leaves behind, and that killing it changes nothing."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch.loggers.logger import Logger

from overparam.errors import ConfigError
from overparam.loggers.metrics_table import MetricsTable, read_metrics
from overparam.runs.identity import run_directory
from overparam.runs.provenance import resumed_at
from overparam.runs.state import AlreadyRunning, Diverged, lock, read_failure
from overparam.training.run import train
from tests.command_line import ENVIRONMENT, Command
from tests.conftest import read_json
from tests.gate import Gate


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
    assert "seed: 0" in (run_dir / "config.yaml").read_text()
    assert "${" not in (run_dir / "config.yaml").read_text()


class Witness(Logger):
    """Writes down what there is in a run's directory when the run's loggers are closed."""

    name = version = ""

    def __init__(self, run_dir: Path) -> None:
        super().__init__()
        self.run_dir = run_dir

    def log_hyperparams(self, *_, **__):
        pass

    def log_metrics(self, metrics, step=None):
        pass

    def finalize(self, status):
        (self.run_dir / "seen").write_text("\n".join(path.name for path in self.run_dir.iterdir()))


def test_the_summary_is_written_last(small):
    cfg = small("+logger.witness._target_=tests.training.test_run.Witness")
    train(cfg)
    seen = (run_directory(cfg) / "seen").read_text().splitlines()
    assert {"metrics.csv", "weights.pt"} <= set(seen)
    assert "summary.json" not in seen


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


def test_a_run_that_another_process_has_finished_since_is_not_trained_again(small, monkeypatch):
    cfg = small()
    first = train(cfg)
    stamp = (run_directory(cfg) / "summary.json").stat().st_mtime_ns
    monkeypatch.setattr("overparam.training.run.finished_summary", lambda *_: None)  # when it looked
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
    assert read_failure(run_directory(cfg)).reason.startswith("Diverged: training loss is")
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


def test_where_a_run_was_continued_is_on_record_from_one_try_to_the_next(small, monkeypatch):
    cfg = small("checkpoint_seconds=1e-9", "data.batch_size=16")
    run_dir = run_directory(cfg)

    def fail_at(step):
        def log_metrics(table, metrics, step=None, *, at=step, log=MetricsTable.log_metrics):
            log(table, metrics, step)
            if step == at:
                raise RuntimeError("a fault of the machine")

        with monkeypatch.context() as patch:
            patch.setattr(MetricsTable, "log_metrics", log_metrics)
            with pytest.raises(RuntimeError, match="a fault"):
                train(cfg)
        return resumed_at(run_dir)

    assert fail_at(20) == []
    assert fail_at(32) == [16]
    assert fail_at(32) == [16, 25]
    (run_dir / "last.ckpt").unlink()
    assert fail_at(20) == []  # it begins anew
    with monkeypatch.context() as patch:
        patch.setattr("overparam.training.run.close_run", None)  # it ends after the last step's checkpoint
        with pytest.raises(TypeError):
            train(cfg)
    assert train(cfg)["steps"] == 40
    assert resumed_at(run_dir) == [16, 40]
    assert not (run_dir / "last.ckpt").exists()


RESUMED = (
    "data.label_noise=0.2",
    "data.batch_size=100",
    "model.width=32",
    "model.dropout=0.1",
    "model.norm=batch",
    "scheduler=cosine",
    "trainer.max_steps=300",
    "trainer.accelerator=cpu",
    "logger=local",
    "checkpoint_seconds=1e-9",
)
KILLED, CONTINUED = (50, 200), [40, 190]  # evaluated steps, and where the chunks before end


def test_a_run_killed_twice_ends_bit_for_bit_as_if_undisturbed(tmp_path):
    def start(logs: Path, *gate: str) -> Command:
        return Command("train.py", *RESUMED, f"paths.logs={logs}", *gate, env=ENVIRONMENT)

    start(tmp_path / "whole").communicate()
    killed, gate = tmp_path / "killed", Gate(tmp_path)
    for step in KILLED:
        process = start(killed, *gate.overrides(step))
        gate.wait(process)
        process.kill()
        process.wait()
        gate.close()
        assert not list(killed.glob("*/*/summary.json"))
    start(killed).communicate()

    (whole,), (resumed,) = (list(logs.glob("*/*")) for logs in (tmp_path / "whole", killed))
    for name in ("metrics.csv", "weights.pt"):
        assert (whole / name).read_bytes() == (resumed / name).read_bytes()
    first, second = (read_json(run / "summary.json") for run in (whole, resumed))
    assert {**first, "wall_seconds": 0} == {**second, "wall_seconds": 0}
    assert read_metrics(whole)[-1]["step"] == 300
    assert [resumed_at(run) for run in (whole, resumed)] == [[], CONTINUED]
