"""A process that trains runs one after another; if it dies, only the run it was training is lost."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from overparam.errors import TERMINATED, Terminated
from overparam.machine import can_fork
from overparam.runs.state import AlreadyRunning, Diverged, RunDied, RunFailed, RunStopped, describe
from overparam.sweeps.slots import visible_gpus

# What libraries of linear algebra read when they are imported.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def import_ahead(module: str) -> None:
    """Have the workers of this process forked from one that has imported `module`, and is at it when this returns.

    So it takes one process's time, beside this one, and not every worker's. Where there are GPUs it does nothing: what
    is imported may have asked for them, and a forked process could not use them then.
    """
    if not _forks():
        return
    from multiprocessing import forkserver  # not on Windows

    forkserver.set_forkserver_preload([module])
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        forkserver.ensure_running()
    finally:
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value


def _forks(gpus: str | None = None) -> bool:
    """Return whether a worker is forked, given its CUDA_VISIBLE_DEVICES."""
    return can_fork() and not gpus and not visible_gpus()


class Worker:
    """A long-lived process that calls `function` with one argument after the other.

    It imports torch once, leaves Ctrl-C and a scheduler's signals to its parent, and ends when its parent does.

    Args:
        function: an importable function.
        environment: variables set before anything else happens in the process, such as CUDA_VISIBLE_DEVICES.
    """

    def __init__(self, function: Callable[[Any], Any], environment: dict[str, str]) -> None:
        context: Any = multiprocessing.get_context(
            "forkserver" if _forks(environment.get("CUDA_VISIBLE_DEVICES")) else "spawn"
        )
        self.connection, theirs = context.Pipe()
        environment = {**os.environ, **environment}  # what a worker is forked from has that of its own start
        self.process = context.Process(target=_serve, args=(theirs, function, environment))
        self.process.start()
        theirs.close()

    @property
    def ends(self) -> list[Any]:
        """What `multiprocessing.connection.wait` waits on for a call to end."""
        return [self.connection, self.process.sentinel]

    def send(self, argument: Any) -> None:
        """Start a call; if the process has died meanwhile, `receive` raises that."""
        with suppress(BrokenPipeError):
            self.connection.send(argument)

    def receive(self) -> Any:
        """Wait for the call to end; return what it returned or raise what it raised.

        Raises:
            RunDied: if the process ended before the call did. The worker cannot be used any more.
            RunStopped: likewise, if it was asked to stop.
        """
        wait(self.ends)
        try:
            result = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            code = self.process.exitcode or 0
            raise (RunStopped if code in (-signal.SIGTERM, TERMINATED) else RunDied)(death(code)) from None
        if isinstance(result, Exception):
            raise result
        return result

    def stop(self, patience: float = 10) -> None:
        """End an idle process, giving it `patience` seconds; with 0, end any process at once."""
        self.connection.close()
        if patience:
            self.process.join(patience)
        self.process.kill()
        self.process.join()


def death(exit_code: int) -> str:
    """Return why a process ended, from `multiprocessing.Process.exitcode`."""
    if exit_code >= 0:
        return f"its process ended with exit code {exit_code}"
    name = signal.Signals(-exit_code).name
    hints = {"SIGKILL": " (out of memory?)", "SIGSEGV": " (segmentation fault)"}
    return f"its process was killed by {name}{hints.get(name, '')}"


def _serve(connection: Connection, function: Callable[[Any], Any], environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for warning in ("SIGINT", "SIGUSR1", "SIGUSR2"):
        if hasattr(signal, warning):  # Windows has the first alone
            signal.signal(getattr(signal, warning), signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            argument = connection.recv()
        except EOFError:
            return
        result: Any
        try:
            result = function(argument)
        except Exception as error:
            # Only exceptions that are sure to be pickled are sent; the traceback is in the run's directory.
            result = (
                error if type(error) in (AlreadyRunning, Diverged, RunFailed) else RunFailed(describe(error))
            )
        except Terminated:
            os._exit(TERMINATED)
        connection.send(result)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
