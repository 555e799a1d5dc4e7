"""Against a loopback server that speaks W&B's protocol; nothing here reaches a network."""

import math
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from overparam.loggers import wandb_start
from overparam.loggers.wandb import wandb_run
from overparam.loggers.wandb_start import own_id
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


def write_metrics(folder, count):
    """What metrics.csv holds of a killed run's first rows."""
    rows = [f"{s},{r['train_error']},{r['test_error']}\n" for s, r in zip((0, 1, 2, 10), ROWS, strict=True)]
    (folder / "metrics.csv").write_text("".join(["step,train_error,test_error\n", *rows[:count]]))


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
    assert_complete(server.named("run-1"))
    assert server.named("run-1")["notes"] == "a note"


def test_offline_then_sync_gives_the_same(server, tmp_path):
    track(tmp_path / "run", mode="offline")
    assert server.runs == {}
    sync(tmp_path / "run")
    assert_complete(server.named("run-1"))


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
    assert_complete(again.named("run-1"))
    again.close()


@pytest.mark.parametrize("fault", ["500", "slow"])
def test_a_server_that_is_broken_from_the_start_is_not_waited_for(server, tmp_path, fault):
    server.fault = fault
    track(tmp_path / "run", init_timeout=1)
    assert server.runs == {}
    assert not server.hung
    server.fault = None
    sync(tmp_path / "run")
    assert_complete(server.named("run-1"))


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
    assert_complete(server.named("run-1"))


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
    assert_complete(server.named("run-1"))


def test_a_resumed_run_continues_its_own_and_repeats_nothing(server, tmp_path):
    track(tmp_path / "run", rows=ROWS[:3], end=False)
    assert server.named("run-1")["exitcode"] == 1
    track(tmp_path / "run", step=1)  # a resumed run evaluates again what came after its checkpoint
    assert len(server.runs) == 1
    assert_complete(server.named("run-1"))


def test_offline_a_resumed_run_repeats_nothing_either(server, tmp_path):
    track(tmp_path / "run", rows=ROWS[:3], end=False, mode="offline")
    next_second()
    track(tmp_path / "run", mode="offline", step=1)
    sync(tmp_path / "run")
    assert_complete(server.named("run-1"))


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_a_resumed_run_sends_what_the_killed_one_could_not(server, tmp_path, mode):
    folder = tmp_path / "run"
    track(folder, rows=ROWS[:1], end=False, mode=mode)
    next_second()
    known = (folder / "wandb" / "id").read_text()
    empty = folder / "wandb" / f"offline-run-20260101_000000-{known}" / f"run-{known}.wandb"
    empty.parent.mkdir()
    empty.write_bytes(b":W&B\xe1\xbe\x00")  # killed before anything was written
    write_metrics(folder, 2)
    track(folder, mode=mode, step=1)
    sync(folder)
    assert_complete(server.named("run-1"))


def test_a_failed_run_does_not_leak_into_the_next(server, tmp_path):
    track(tmp_path / "a", identity="run-a", end=False)
    track(tmp_path / "b", identity="run-b")
    assert server.named("run-a")["exitcode"] == 1
    assert metrics(server.named("run-b")) == WANTED


def test_weights_become_an_artifact_when_asked(server, tmp_path):
    track(tmp_path / "run", checkpoints=True)
    (artifact,) = server.artifacts.values()
    assert artifact["artifactCollectionName"] == f"weights-{server.named('run-1')['name']}"
    assert artifact["state"] == "COMMITTED"


def test_a_failure_told_twice_is_told_once(server, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    logger = wandb_run(run_dir=folder, identity="run-1", sweep="sweep", settings=SETTINGS)
    logger.log_metrics(ROWS[0], step=0)
    logger.finalize("failed")
    logger.finalize("failed")
    assert server.named("run-1")["exitcode"] == 1


def test_what_starts_anew_is_a_run_of_its_own_whatever_the_server_has(server, tmp_path):
    """After a failure before the first checkpoint, after its folder was deleted, in another sweep or place."""
    folder = tmp_path / "run"
    track(folder, rows=ROWS[:2], end=False)
    track(folder)
    shutil.rmtree(folder)
    track(folder)
    track(tmp_path / "elsewhere")
    failed, *others = server.runs.values()
    assert failed["exitcode"] == 1
    assert metrics(failed) == WANTED[:2]
    assert len(others) == 3
    for run in others:
        assert_complete(run)
    assert all(re.fullmatch("sweep-run-1-[0-9a-f]{8}", name) for name in server.runs)


def test_a_resumed_run_without_a_record_of_its_own_gets_all_of_its_history(server, tmp_path):
    folder = tmp_path / "run"
    track(folder, rows=ROWS[:3], end=False, mode="offline")
    shutil.rmtree(folder / "wandb")
    write_metrics(folder, 2)
    track(folder, step=1)
    assert_complete(server.named("run-1"))


def test_the_id_takes_any_name_of_a_sweep(tmp_path):
    for name in ("a/b", "naïve #1: x?y", "x" * 300):
        found = own_id(tmp_path, f"{name}-run-1", continues=False)
        assert re.fullmatch("[A-Za-z0-9_.-]{1,128}", found)
        assert own_id(tmp_path, f"{name}-run-1", continues=True) == found
        assert own_id(tmp_path, f"{name}-run-1", continues=False) != found


@pytest.mark.parametrize(("first", "second"), [("offline", "online"), ("online", "online")])
def test_sync_sends_nothing_again_that_a_resumed_run_has_sent(server, tmp_path, first, second):
    folder = tmp_path / "run"
    track(folder, rows=ROWS[:3], end=False, mode=first)
    write_metrics(folder, 2)
    time.sleep(1.1)
    track(folder, step=1, mode=second)
    assert_complete(server.named("run-1"))
    sync(folder)
    assert_complete(server.named("run-1"))


def test_the_environment_counts_where_the_config_says_nothing(server, tmp_path, environment):
    said = {"PROJECT": "mine", "ENTITY": "team", "RUN_GROUP": "g", "TAGS": "a,b", "NOTES": "a note"}
    for name, value in said.items():
        environment.setenv(f"WANDB_{name}", value)
    track(tmp_path / "run")
    track(tmp_path / "other", identity="run-2", project="p", entity="e", tags=["t"], notes="n")
    keys = ("project", "entity", "group", "tags", "notes")
    first, second = server.named("run-1"), server.named("run-2")
    assert [first[key] for key in keys] == ["mine", "team", "g", ["a", "b"], "a note"]
    assert [second[key] for key in keys] == ["p", "e", "g", ["t"], "n"]


def test_without_either_the_project_is_the_labs(server, tmp_path):
    track(tmp_path / "run", project=None, entity=None)
    assert server.named("run-1")["project"] == wandb_start.DEFAULT_PROJECT


def test_an_error_of_wandbs_costs_a_warning(environment, tmp_path, caplog):
    def refuse(*_, **__):
        raise PermissionError("no writable home")

    environment.setattr("wandb.sdk.wandb_run.Run.log", refuse)
    environment.setattr("wandb.Artifact.add_file", refuse)
    track(tmp_path / "run", mode="offline", checkpoints=True)
    environment.setattr("wandb.setup", refuse)
    track(tmp_path / "second", mode="offline")
    told = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert [message.partition(" (")[0] for message in told] == ["W&B failed", "W&B does not start"]
    assert all("no writable home" in message for message in told)


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
        for row in server.named("run-1")["history"]
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


def test_what_wandb_refuses_of_the_environment_costs_its_history_alone(tmp_path, monkeypatch):
    import wandb

    def refuse(**_):
        raise ValueError("WANDB_CONSOLE")

    seen = []
    monkeypatch.setenv("WANDB_CONSOLE", "foo")
    monkeypatch.setattr(wandb_start, "_start", refuse)
    monkeypatch.setattr(
        wandb, "init", lambda mode: seen.append((mode, [n for n in os.environ if "WANDB_" in n]))
    )
    wandb_start.start(mode="auto", directory=tmp_path)
    assert seen == [("disabled", [])]
    assert os.environ["WANDB_CONSOLE"] == "foo"


@pytest.mark.parametrize(
    ("said", "mode"), [("run", "online"), ("dryrun", "offline"), ("Disabled", "disabled"), ("", None)]
)
def test_modes_as_wandb_once_called_them(monkeypatch, said, mode):
    monkeypatch.setenv("WANDB_MODE", said)
    assert wandb_start.asked_mode() == mode


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"a b\n", b"../x"])
def test_an_id_that_is_none_is_made_anew(tmp_path, content):
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "id").write_bytes(content)
    made = own_id(tmp_path, "name", continues=True)
    assert re.fullmatch(r"name-[0-9a-f]{8}", made)
    assert own_id(tmp_path, "name", continues=True) == made
