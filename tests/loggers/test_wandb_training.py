"""Trained runs and a W&B server: what the server has of a run is what the run's directory says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import wandb

from overparam.commands.report import main
from overparam.runs.metrics import read_metrics
from overparam.training.run import train
from tests.conftest import ROOT, compose_config
from tests.gate import until

SMALL = ("data.n_train=60", "trainer.max_steps=20", "trainer.accelerator=cpu", "logger=wandb")
ENDS = ("logger.wandb.init_timeout=2", "logger.wandb.finish_timeout=1")


def config(logs, *overrides):
    return compose_config(*SMALL, *ENDS, f"paths.logs={logs}", *overrides)


def history(run):
    """What the server has, as metrics.csv has it, but for NaN, which equals nothing."""
    return [
        {
            key: value
            for key, value in {"step": row["trainer/global_step"], **row}.items()
            if is_ours(key, value)
        }
        for row in run["history"]
    ]


def is_ours(key, value):
    return key[0] != "_" and "/" not in key and value == value


def assert_same(run, run_dir):
    table = [{key: value for key, value in row.items() if value == value} for row in read_metrics(run_dir)]
    assert history(run) == table
    assert len(table) > 3
    assert run["summary"]["test_error"] == read_metrics(run_dir)[-1]["test_error"]
    assert run["exitcode"] == 0


@pytest.mark.parametrize("fault", [None, "dead", "slow", "500", "429", "drop"])
def test_history_on_the_server_is_the_metrics_table(server, tmp_path, fault):
    if fault == "dead":
        server.shutdown()
        server.socket.close()
    else:
        server.fault = fault
    summary = train(config(tmp_path))
    run_dir = tmp_path / "runs" / summary["identity"]
    if fault == "dead":
        server = type(server)(server.server_port)
    server.fault = None
    wandb.teardown()
    if fault is not None:
        sync(run_dir)
    (run,) = server.runs.values()
    assert_same(run, run_dir)


@pytest.mark.parametrize("fault", ["slow", "500", "429", "drop"])
def test_a_server_that_goes_in_the_middle_has_it_all_after_sync(
    server, tmp_path, fault, environment, monkeypatch
):
    environment.setenv("WANDB__FILE_STREAM_TRANSMIT_INTERVAL", "0.1")
    with monkeypatch.context() as patch:
        patch.setattr("overparam.loggers.wandb.RunLogger.close", closing(server, fault))
        run_dir = tmp_path / "runs" / train(config(tmp_path))["identity"]
    wandb.teardown()
    server.fault = None
    # Rows have been sent before, which `wandb sync` would send again.
    monkeypatch.setattr(sys, "argv", ["report.py", str(tmp_path / "runs"), "--sync"])
    assert main() == 0
    (run,) = server.runs.values()
    assert_same(run, run_dir)


def test_a_server_that_was_gone_for_good_has_each_row_once(
    server, tmp_path, environment, monkeypatch, capsys
):
    from overparam.loggers.wandb import RunLogger

    log = RunLogger.log_metrics

    def log_and_lose(self, metrics, step=None):
        log(self, metrics, step)
        if step >= 5 and server.fault is None:
            until(lambda: any(run["history"] for run in server.runs.values()))
            server.fault = "drop"

    environment.setenv("WANDB__FILE_STREAM_TRANSMIT_INTERVAL", "0.1")
    with monkeypatch.context() as patch:
        patch.setattr(RunLogger, "log_metrics", log_and_lose)
        run_dir = tmp_path / "runs" / train(config(tmp_path))["identity"]
    wandb.teardown()
    server.fault = None
    (run,) = server.runs.values()
    assert 0 < len(run["history"]) < len(read_metrics(run_dir))
    monkeypatch.setattr(sys, "argv", ["report.py", str(tmp_path / "runs"), "--sync"])
    assert main() == 0
    assert main() == 0
    assert capsys.readouterr().out.splitlines() == [
        "1 run had something that W&B lacked",
        "0 runs had something that W&B lacked",
    ]
    (run,) = server.runs.values()
    assert_same(run, run_dir)


def test_runs_that_logged_offline_are_sent_and_an_unreachable_server_is_one_line(
    server, tmp_path, monkeypatch, capsys
):
    run_dir = tmp_path / "runs" / train(config(tmp_path, "logger.wandb.mode=offline"))["identity"]
    wandb.teardown()  # what the end of a process does
    monkeypatch.setattr(sys, "argv", ["report.py", str(tmp_path / "runs"), "--sync"])
    server.fault = "drop"
    assert main() == 2
    assert "error: W&B cannot be reached: nothing was sent" in capsys.readouterr().err
    assert len(list(run_dir.glob("wandb/*run-*"))) == 1
    server.fault = None
    monkeypatch.setattr("overparam.loggers.wandb_start._unreachable_until", 0.0)
    assert main() == 0
    (run,) = server.runs.values()
    assert_same(run, run_dir)


def closing(server, fault):
    from overparam.loggers.wandb import RunLogger

    close = RunLogger.close

    def broken_before(self, *arguments):
        until(lambda: any(run["history"] for run in server.runs.values()))
        server.fault = fault
        close(self, *arguments)

    return broken_before


def sync(run_dir):
    files = [str(path) for path in sorted(run_dir.glob("wandb/*run-*"))]
    command = [str(Path(sys.executable).with_name("wandb")), "sync", "--include-online", *files]
    subprocess.run(command, capture_output=True, check=True, timeout=60, cwd=run_dir)


def test_equal_settings_in_two_sweeps_and_trained_anew_are_runs_of_their_own(server, tmp_path):
    identity = train(config(tmp_path, "name=a"))["identity"]
    train(config(tmp_path, "name=b"))
    shutil.rmtree(tmp_path / "a" / identity)
    train(config(tmp_path, "name=a"))
    assert [run["group"] for run in server.runs.values()] == ["a", "b", "a"]
    assert [run["displayName"] for run in server.runs.values()] == [identity] * 3
    for name, run in server.runs.items():
        assert name.startswith(f"{run['group']}-{identity}-")
        assert_same(run, tmp_path / run["group"] / identity)


def test_a_killed_run_continues_its_own(server, tmp_path):
    class Killed(BaseException):
        pass

    import overparam.training.run as training

    def killed(*_):
        raise Killed

    cfg = config(tmp_path, "checkpoint_seconds=0.0001")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "close_run", killed)
        with pytest.raises(Killed):
            train(cfg)
    (known,) = server.runs
    wandb.teardown()  # what the end of a process does
    summary = train(cfg)
    assert list(server.runs) == [known]
    (run,) = server.runs.values()
    assert_same(run, tmp_path / "runs" / summary["identity"])


def test_a_point_that_an_agent_repeats_is_logged_as_the_agents_run(server, tmp_path, environment):
    first = train(config(tmp_path))
    environment.setenv("WANDB_SWEEP_ID", "s1")
    environment.setenv("WANDB_RUN_ID", "r1")
    wandb.teardown()  # an agent starts a process for each point
    assert train(config(tmp_path)) == first
    assert_same(server.runs["r1"], tmp_path / "runs" / first["identity"])
    assert len(server.runs) == 2


def test_without_a_writable_home_a_sweep_says_so_and_ends_well(tmp_path):
    home = tmp_path / "home"
    home.write_text("no folder")
    unset = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    environment = {**unset, "HOME": str(home), "PYTHONPATH": str(ROOT / "src"), "WANDB_MODE": "offline"}
    command = [sys.executable, "scripts/train.py", "-m", "seed=0,1", *SMALL, f"paths.logs={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "W&B has not got the report" in done.stderr
    assert len(list(tmp_path.glob("runs/mlp*/wandb/offline-run-*/*.wandb"))) == 2
    assert (tmp_path / "runs" / "report" / "index.html").exists()
