"""Locks, also where the file system has none, and where it can only be read."""

import errno
import fcntl
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock, Timeout

from overparam import locks
from overparam.locks import is_held, locked
from overparam.runs.identity import run_directory
from overparam.runs.state import AlreadyRunning, is_locked, lock, set_aside
from overparam.training.run import train

WITHOUT = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP)


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    def flock(*_: object) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", flock)
    locks._say_none.cache_clear()


@pytest.mark.parametrize("without_locks", WITHOUT, indirect=True)
def test_a_run_is_locked_without_locks(
    small: Any, without_locks: None, caplog: pytest.LogCaptureFixture
) -> None:
    cfg = small()
    run_dir = run_directory(cfg)
    run_dir.mkdir(parents=True)
    with lock(run_dir):
        assert is_locked(run_dir)
        with pytest.raises(AlreadyRunning, match=run_dir.name):
            train(cfg)
    assert not is_locked(run_dir)
    assert train(cfg)["steps"] == 40
    assert not is_locked(run_dir)
    said = [record.getMessage() for record in caplog.records if "without locks" in record.getMessage()]
    assert len(said) == 1
    set_aside(run_dir)
    assert train(cfg)["steps"] == 40


def hold_and_die(path: Path) -> None:
    """Called in a process of its own."""

    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    fcntl.flock = flock  # type: ignore[assignment]
    held = locked(path)
    held.__enter__()
    os._exit(0)


@pytest.mark.parametrize("without_locks", [errno.ENOLCK], indirect=True)
def test_the_lock_of_a_killed_process_is_none(tmp_path: Path, without_locks: None) -> None:
    path = tmp_path / "run" / ".lock"
    path.parent.mkdir()
    process = multiprocessing.get_context("spawn").Process(target=hold_and_die, args=(path,))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert path.with_name(".lock.held").exists()
    assert not is_held(path)
    with locked(path, timeout=1):
        assert is_held(path)


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_who_may_only_read_sees_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    path, free = tmp_path / ".lock", tmp_path / ".free"
    free.touch()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    with locked(path):
        monkeypatch.setattr(FileLock, "acquire", refuse)
        assert is_held(path)
        assert not is_held(free)
        monkeypatch.undo()
        with pytest.raises(Timeout), locked(path, timeout=0.1):
            pass
