from pathlib import Path

import pytest

from overparam.runs.identity import run_directory
from overparam.runs.state import (
    AlreadyRunning,
    State,
    is_locked,
    lock,
    read_failure,
    record_failure,
    run_directories,
    state,
)
from overparam.runs.summary import SUMMARY
from overparam.training.run import train


def test_states(tmp_path: Path) -> None:
    assert state(tmp_path / "not there") == State.WAITING
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    assert state(run_dir) == State.WAITING
    with lock(run_dir):
        assert is_locked(run_dir)
        assert state(run_dir) == State.RUNNING
    assert state(run_dir) == State.WAITING
    record_failure(run_dir, "first\nreason")
    assert state(run_dir) == State.FAILED
    with lock(run_dir):
        assert state(run_dir) == State.RUNNING
    (run_dir / SUMMARY).write_text('{"steps": 1, "train_error": 0, "test_error": 0, "config": {}}')
    assert state(run_dir) == State.FINISHED


def test_a_failure_counts_those_before(tmp_path: Path) -> None:
    record_failure(tmp_path, "first\nreason")
    second = record_failure(tmp_path, "second", "trace")
    assert read_failure(tmp_path) == second
    assert (second.attempts, second.reason, second.traceback) == (2, "second", "trace")


def test_run_directories_are_told_from_others(tmp_path: Path) -> None:
    (tmp_path / "waiting").mkdir()
    for name, file in (("started", "config.yaml"), ("finished", SUMMARY), ("report", "figure.png")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).touch()
    (tmp_path / "notes.txt").touch()
    assert [path.name for path in run_directories(tmp_path)] == ["finished", "started", "waiting"]


def test_a_run_that_is_being_trained_is_refused(small, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    cfg = small()
    run_dir = run_directory(cfg)
    run_dir.mkdir(parents=True)
    with lock(run_dir), pytest.raises(AlreadyRunning, match=run_dir.name):
        train(cfg)
    assert train(cfg)["steps"] == 40
