"""Against a loopback server that speaks W&B's protocol; nothing here reaches a network."""

import math
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from overparam.loggers import wandb_start
from overparam.loggers.wandb import wandb_run
from overparam.runs.summary import Summary
from tests.gate import HANGS, until
from tests.loggers.wandb_server import WandbServer

SETTINGS = {"model": {"_target_": "a.b.MLP", "width": 8}, "data": {"_target_": "a.b.Digits"}, "seed": 0}
ROWS = [{"train_error": 1 / (1 + step), "test_error": 0.5} for step in (0, 1, 2, 10)]


def summary(identity):
    errors = dict.fromkeys(("train_error", "train_error_clean", "train_error_noisy"), 0.0)
    sizes = {"params": 610, "n_train": 1200, "num_outputs": 10, "params_per_sample": 610 / 1200}
    ends = {"test_error": 0.125, "train_loss": 0.01, "test_loss": 0.5, "best_test_error": 0.1, "best_step": 2}
    rest = {"params_per_constraint": 0.05, "interpolation_step": 10, "noise_rate": 0.2, "steps": 10}
    return Summary(identity=identity, name="sweep", wall_seconds=1.0, **errors, **sizes, **ends, **rest)


def track(folder, identity="run-1", rows=ROWS, end=True, **options):
    """Log a run as training does."""
    folder.mkdir(exist_ok=True)
    logger = wandb_run(run_dir=folder, identity=identity, sweep="sweep", settings=SETTINGS, **options)
    for step, row in zip((0, 1, 2, 10), rows, strict=False):
        logger.log_metrics(row, step=step)
    if end:
        (folder / "weights.pt").write_bytes(b"weights")
        logger.end(summary(identity), folder / "weights.pt")
    else:
        logger.finalize("failed")


def next_second():
    """W&B names a run's files by the second."""
    second = int(time.time())
    until(lambda: int(time.time()) > second)


def sync(folder):
    runs = [str(path) for path in sorted((folder / "wandb").glob("*run-*"))]
    command = [sys.executable, "-m", "wandb", "sync", "--include-online", "--yes", *runs]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANGS, check=True, cwd=folder)


def metrics(run):
    return [
        {key: row[key] for key in ("trainer/global_step", "train_error", "test_error")}
        for row in run["history"]
        if "test_error" in row
    ]


WANTED = [{"trainer/global_step": step, **row} for step, row in zip((0, 1, 2, 10), ROWS, strict=True)]


def assert_complete(run):
    assert metrics(run) == WANTED
    assert (run["group"], run["jobType"], run["tags"]) == ("sweep", "train", ["digits", "mlp"])
    assert run["config"]["model"]["value"]["width"] == 8
    shown = {key: run["summary"][key] for key in ("regime", "params", "params_per_sample", "test_error")}
    assert shown == {"regime": "over", "params": 610, "params_per_sample": 610 / 1200, "test_error": 0.125}
    assert "config" not in run["summary"]
    assert run["exitcode"] == 0


def test_online_the_server_has_what_was_logged(server, tmp_path):
    track(tmp_path / "run", notes="a note")
    assert_complete(server.runs["run-1"])
    assert server.runs["run-1"]["notes"] == "a note"


def test_offline_then_sync_gives_the_same(server, tmp_path):
    track(tmp_path / "run", mode="offline")
    assert server.runs == {}
    sync(tmp_path / "run")
    assert_complete(server.runs["run-1"])


def test_without_a_key_nothing_is_asked_and_nothing_is_sent(server, tmp_path, environment):
    environment.delenv("WANDB_API_KEY")
    environment.setenv("NETRC", str(tmp_path / "no-netrc"))
    environment.setattr("builtins.input", lambda *_: pytest.fail("asked for input"))
    track(tmp_path / "run")
    assert server.runs == {}
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*"))


def test_a_server_that_is_down_is_asked_once_and_nothing_is_lost(server, tmp_path, environment):
    import wandb

    environment.setattr(wandb_start, "RETRY_SECONDS", math.inf)
    port = server.server_port
    server.close()
    track(tmp_path / "run", init_timeout=2)
    again = WandbServer(port)
    track(tmp_path / "second", identity="run-2", init_timeout=2)
    assert again.requests == 0
    wandb.teardown()
    sync(tmp_path / "run")
    assert_complete(again.runs["run-1"])
    again.close()


@pytest.mark.parametrize("fault", ["500", "slow"])
def test_a_server_that_is_broken_from_the_start_is_not_waited_for(server, tmp_path, fault):
    server.fault = fault
    track(tmp_path / "run", init_timeout=1)
    assert server.runs == {}
    assert not server.hung
    server.fault = None
    sync(tmp_path / "run")
    assert_complete(server.runs["run-1"])


@pytest.mark.parametrize("fault", ["500", "429", "drop", "slow"])
def test_a_server_that_fails_in_the_middle_holds_nothing_up_and_gets_all(server, tmp_path, fault):
    def recover():
        until(lambda: server.faults > 0)
        server.fault = None

    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "weights.pt").write_bytes(b"weights")
    logger = wandb_run(run_dir=folder, identity="run-1", sweep="sweep", settings=SETTINGS)
    server.fault = fault
    for step, row in zip((0, 1, 2, 10), ROWS, strict=True):
        logger.log_metrics(row, step=step)
    assert server.fault == fault  # nothing has waited for the server to recover
    threading.Thread(target=recover, daemon=True).start()
    logger.end(summary("run-1"), folder / "weights.pt")
    assert server.faults > 0
    assert not server.hung
    assert_complete(server.runs["run-1"])


@pytest.mark.parametrize("fault", ["500", "slow"])
def test_a_server_that_stays_broken_bounds_the_end_and_sync_sends_it_later(server, tmp_path, fault):
    import wandb

    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "weights.pt").write_bytes(b"weights")
    logger = wandb_run(run_dir=folder, identity="run-1", sweep="sweep", settings=SETTINGS, finish_timeout=2)
    server.fault = fault
    for step, row in zip((0, 1, 2, 10), ROWS, strict=True):
        logger.log_metrics(row, step=step)
    logger.end(summary("run-1"), folder / "weights.pt")
    assert server.faults > 0
    assert not server.hung
    wandb.teardown()
    server.fault = None
    server.runs.clear()
    sync(folder)
    assert_complete(server.runs["run-1"])


def test_a_resumed_run_continues_its_own_and_repeats_nothing(server, tmp_path):
    track(tmp_path / "run", rows=ROWS[:3], end=False)
    assert server.runs["run-1"]["exitcode"] == 1
    track(tmp_path / "run")  # a resumed run evaluates again what came after its checkpoint
    assert set(server.runs) == {"run-1"}
    assert_complete(server.runs["run-1"])


def test_offline_a_resumed_run_repeats_nothing_either(server, tmp_path):
    track(tmp_path / "run", rows=ROWS[:3], end=False, mode="offline")
    next_second()
    track(tmp_path / "run", mode="offline")
    sync(tmp_path / "run")
    assert_complete(server.runs["run-1"])


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_a_resumed_run_sends_what_the_killed_one_could_not(server, tmp_path, mode):
    folder = tmp_path / "run"
    track(folder, rows=ROWS[:1], end=False, mode=mode)
    next_second()
    empty = folder / "wandb" / "offline-run-20260101_000000-run-1" / "run-run-1.wandb"
    empty.parent.mkdir()
    empty.write_bytes(b":W&B\xe1\xbe\x00")  # killed before anything was written
    with (folder / "metrics.csv").open("w") as file:
        file.write("step,train_error,test_error\n")
        file.writelines(
            f"{s},{r['train_error']},{r['test_error']}\n" for s, r in zip((0, 1), ROWS, strict=False)
        )
    track(folder, mode=mode)
    if mode == "offline":
        sync(folder)
    assert_complete(server.runs["run-1"])


def test_a_failed_run_does_not_leak_into_the_next(server, tmp_path):
    track(tmp_path / "a", identity="run-a", end=False)
    track(tmp_path / "b", identity="run-b")
    assert server.runs["run-a"]["exitcode"] == 1
    assert metrics(server.runs["run-b"]) == WANTED


def test_weights_become_an_artifact_when_asked(server, tmp_path):
    track(tmp_path / "run", checkpoints=True)
    (artifact,) = server.artifacts.values()
    assert artifact["artifactCollectionName"] == "weights-run-1"
    assert artifact["state"] == "COMMITTED"


def test_a_failure_told_twice_and_a_second_try_in_the_same_process_are_one_run(server, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    logger = wandb_run(run_dir=folder, identity="run-1", sweep="sweep", settings=SETTINGS)
    logger.log_metrics(ROWS[0], step=0)
    logger.finalize("failed")
    logger.finalize("failed")
    assert server.runs["run-1"]["exitcode"] == 1
    track(folder)
    assert_complete(server.runs["run-1"])


def test_a_row_of_an_earlier_step_reaches_wandb_too(server, tmp_path):
    """Lightning logs what a module says of step 49 after the evaluation that follows it, which is at step 50."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "weights.pt").write_bytes(b"weights")
    logger = wandb_run(run_dir=folder, identity="run-1", sweep="sweep", settings=SETTINGS)
    for step, row in ((0, {"loss": 1.0}), (50, {"loss": 0.5}), (49, {"lr": 0.1}), (50, {"lr": 0.2})):
        logger.log_metrics(row, step=step)
    logger.end(summary("run-1"), folder / "weights.pt")
    rows = [
        {key: row[key] for key in ("_step", "loss", "lr") if key in row}
        for row in server.runs["run-1"]["history"]
    ]
    assert rows == [
        {"_step": 0, "loss": 1.0},
        {"_step": 49, "lr": 0.1},
        {"_step": 50, "loss": 0.5, "lr": 0.2},
    ]


def test_a_run_directory_relative_to_the_working_directory_is_written_there(environment, tmp_path):
    import wandb

    wandb.setup()  # the background process stays in this working directory
    environment.chdir(tmp_path)
    track(Path("run"), mode="offline")
    (written,) = (tmp_path / "run").glob("wandb/offline-run-*/*.wandb")
    assert written.stat().st_size > 0
