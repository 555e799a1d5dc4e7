"""Commands as a person gives them, in processes of their own.

Importing torch, Lightning and W&B takes five seconds, as long as all that most tests have a command do. So a command is
forked off a process that has imported them and done nothing since. What depends on a fresh interpreter (what is
imported, what its environment says to it) is tested with `subprocess`.
"""

import atexit
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, TextIO

from tests.gate import HANGS

ROOT = Path(__file__).resolve().parents[1]
# For processes that import what stands in tests/.
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}

LOADED = [
    "overparam.packs.job",
    "overparam.training.run",
    "overparam.analysis.report",
    "overparam.sweeps.sweep",
]
LOADED += [
    "overparam.commands.train",
    "matplotlib.pyplot",
    "wandb",
    "torchvision",
    "sklearn.datasets",
    "tests.gate",
]
forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(LOADED)


class Command:
    """A command that has been started, in a session of its own; used as a `subprocess.Popen` is.

    Args:
        script: the name of a file of scripts/.
        cwd: where it is started.
        env: its whole environment; by default this process's.
        stdout: a file descriptor, or None for a pipe.
        stderr: a file descriptor, or None for a pipe; `subprocess.STDOUT` sends it to stdout.
    """

    def __init__(
        self,
        script: str,
        *arguments: str,
        cwd: str | Path = ROOT,
        env: Mapping[str, str] | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> None:
        self.args = [str(ROOT / "scripts" / script), *map(str, arguments)]
        self.stdout, out = _pipe() if stdout is None else (None, os.dup(stdout))
        if stderr == subprocess.STDOUT:
            self.stderr, err = None, os.dup(out)
        else:
            self.stderr, err = _pipe() if stderr is None else (None, os.dup(stderr))
        given = (self.args, str(cwd), dict(os.environ if env is None else env), _Passed(out), _Passed(err))
        self._process = forks.Process(target=_be, args=given)
        self._process.start()
        os.close(out)
        os.close(err)
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float = HANGS) -> int:
        self._process.join(timeout)
        assert self.returncode is not None, f"it hangs: {self.args}"
        return self.returncode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        if self.poll() is None:
            self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = HANGS) -> tuple[str, str]:
        """Return what it prints until it ends."""
        hangs = threading.Timer(timeout, self.kill)
        hangs.start()
        with ThreadPoolExecutor(2) as readers:
            out, err = readers.map(lambda file: file.read() if file else "", (self.stdout, self.stderr))
        hangs.cancel()
        self.wait()
        return out, err


def command_line(script: str, *arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run a script as a user does, from the repository's root; see `Command` for the options."""
    command = Command(script, *arguments, **options)
    out, err = command.communicate()
    return subprocess.CompletedProcess(command.args, command.wait(), out, err)


class _Passed:
    """A file descriptor on its way to the forked process."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __reduce__(self) -> tuple[Any, ...]:
        return _same, (DupFd(self.descriptor),)


def _same(passed: Any) -> Any:
    return passed


def _pipe() -> tuple[TextIO, int]:
    read, write = os.pipe()
    return os.fdopen(read), write


def _be(argv: list[str], cwd: str, environment: dict[str, str], out: Any, err: Any) -> None:
    """Be the command, in the forked process."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in a shell's background ignore it
    for descriptor, file in ((out, 1), (err, 2)):
        os.dup2(descriptor.detach(), file)
    sys.stdout.reconfigure(line_buffering=False)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    atexit._clear()  # what is to be done when the process ends that this one is forked off
    sys.argv = argv
    try:
        sys.exit(import_module(f"overparam.commands.{Path(argv[0]).stem}").main())
    finally:
        logging.shutdown()
        atexit._run_exitfuncs()
