"""What a run's directory says about it: finished, running, failed or waiting."""

import logging
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from filelock import Timeout

from overparam.errors import ExpectedError, one_line
from overparam.locks import is_held, locked
from overparam.runs.damage import damage, read_object, set_file_aside, what_is_wrong
from overparam.runs.secrets import without_secrets_in_text
from overparam.runs.summary import SUMMARY, write_json

log = logging.getLogger(__name__)

FAILURE, LOCK, REPLACED = "failure.json", ".lock", ".replaced"
CHECKPOINT = "last.ckpt"  # of a run that is being trained, or was stopped


class RunFailed(Exception):
    """A run failed; the message is the reason."""


class RunDied(RunFailed):
    """The process that trained a run was killed, or crashed in native code."""


class RunStopped(Exception):
    """The process that trained a run was asked to stop, and did; the run has not failed and can continue."""


class Diverged(ExpectedError):
    """The training loss of a run is no longer finite."""


class AlreadyRunning(ExpectedError):
    """Another process is training this run."""


class FirstFailure(KeyboardInterrupt):
    """A run failed in a sweep with fail_fast, which then ends as with Ctrl-C; the failure is its `__cause__`."""


class State(StrEnum):
    """The four states of a run."""

    FINISHED = "finished"
    RUNNING = "running"
    FAILED = "failed"
    WAITING = "waiting"  # not started, or killed and to be continued


@dataclass(frozen=True)
class Failure:
    """The last failure of a run, `failure.json` in its directory."""

    reason: str  # one line
    attempts: int  # how often the run has failed
    when: float  # seconds since the epoch
    traceback: str = ""


def state(run_dir: Path) -> State:
    """Return the state of the run in `run_dir`; one that is damaged (`runs.damage`) is not finished, but waits."""
    if (run_dir / SUMMARY).exists() and damage(run_dir) is None:
        return State.FINISHED
    if is_locked(run_dir):
        return State.RUNNING
    return State.FAILED if read_failure(run_dir) else State.WAITING


def lock(run_dir: Path) -> AbstractContextManager[None]:
    """Return the lock a process holds while it trains the run."""
    # `is_locked` takes the lock for an instant to test it, so a second try may be needed.
    return locked(run_dir / LOCK, timeout=1)


def is_locked(run_dir: Path) -> bool:
    """Return whether some process is training the run."""
    return is_held(run_dir / LOCK)


def set_aside(run_dir: Path) -> None:
    """Move a finished run to `<sweep>/.replaced/<identity>-<UTC time>/`, where nothing looks for runs.

    Raises:
        AlreadyRunning: if another process is training the run.
    """
    place = run_dir.parent / REPLACED / f"{run_dir.name}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    try:
        with lock(run_dir):
            if (run_dir / SUMMARY).exists():  # else another process was faster
                place.parent.mkdir(exist_ok=True)
                run_dir.rename(place)
    except Timeout as error:
        raise AlreadyRunning(f"{run_dir} is being trained by another process") from error


def read_failure(run_dir: Path) -> Failure | None:
    """Return the last failure of a run that has not finished since; None if there is none that can be read."""
    try:
        return _failure(run_dir / FAILURE)
    except (FileNotFoundError, IsADirectoryError, ValueError):
        return None


def has_diverged(run_dir: Path) -> bool:
    """Return whether the last attempt at a run ended because its loss was no longer finite."""
    failure = read_failure(run_dir)
    return failure is not None and failure.reason.startswith(Diverged.__name__)


def set_failure_aside(run_dir: Path) -> None:
    """Set a run's failure aside if it cannot be read."""
    try:
        _failure(run_dir / FAILURE)
    except FileNotFoundError:
        return
    except (IsADirectoryError, ValueError) as error:
        set_file_aside(run_dir / FAILURE, what_is_wrong(error))


def _failure(path: Path) -> Failure:
    found = read_object(path)
    for key, kind in (("reason", str), ("attempts", int), ("when", float | int)):
        if not isinstance(found.get(key), kind):
            raise ValueError(f"it has no {key}")
    return Failure(found["reason"], found["attempts"], found["when"], str(found.get("traceback", "")))


def record_failure(run_dir: Path, reason: str, traceback: str = "") -> Failure:
    """Write the failure of a run's latest attempt, counting those before; if that cannot be written, say so."""
    before = read_failure(run_dir)
    reason, traceback = (without_secrets_in_text(text) for text in (one_line(reason), traceback))
    failure = Failure(reason, (before.attempts if before else 0) + 1, time.time(), traceback)
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        set_failure_aside(run_dir)
        write_json(run_dir / FAILURE, vars(failure))
    except OSError as error:
        log.warning(
            "%s failed (%s), and that cannot be written: %s", run_dir, failure.reason, describe(error)
        )
    return failure


def describe(error: BaseException) -> str:
    """Return an exception's type and message in one line."""
    if isinstance(error, RunFailed):
        return str(error)
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")


def run_directories(folder: Path) -> list[Path]:
    """Return the directories of a sweep's runs; one that is waiting for its turn is empty."""
    known = ("config.yaml", SUMMARY, FAILURE, LOCK)
    folders = [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name[0] != "."]
    return [
        path for path in folders if any((path / name).exists() for name in known) or not any(path.iterdir())
    ]
