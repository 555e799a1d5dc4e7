"""A gate in a run: the run stops at it until it is let through or killed, so that what stands on disk then is known.

    gate = Gate(tmp_path)
    process = start(*gate.overrides(step=22))
    gate.wait(process)  # the run has evaluated step 22, and does not go on
    process.kill()
    gate.open()

It is a logger: it counts in no identity, and runs with it are fused and packed as without. The evaluation of a step
comes before its checkpoint, so with checkpoint_seconds=1e-9 a run is continued from the end of the chunk before.
"""

import time
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger

HANGS = 1200  # seconds after which something hangs; nothing else is concluded from the clock


class GateLogger(Logger):
    """Waits at the gate with every run that has come to a step, once so many runs of the sweep have finished.

    Args:
        run_dir: the run's directory.
        folder: the gate's.
        step: the first evaluated step that a run waits at; None is its end, with its summary not yet written.
        finished: how many runs of the sweep must have finished before.
    """

    def __init__(self, run_dir: Path, folder: str, step: int | None, finished: int = 0) -> None:
        super().__init__()
        self.run_dir, self.gate = run_dir, Gate(Path(folder))
        self.step, self.finished = step, finished

    name = version = ""

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Nothing is kept but that the run was begun."""
        with self.gate.begun.open("a") as file:
            file.write(f"{self.run_dir.name}\n")

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        if step is not None and self.step is not None and step >= self.step:
            self._stand()

    def finalize(self, status: str) -> None:
        if self.step is None:
            self._stand()

    def _stand(self) -> None:
        finished = len(list(self.run_dir.parent.glob("*/summary.json")))
        if finished >= self.finished and not self.gate.is_open():
            self.gate.stand(self.run_dir.name)


class Gate:
    """A gate in a folder, closed at first."""

    def __init__(self, folder: Path) -> None:
        self.opened, self.there, self.begun = (folder / name for name in ("gate.open", "gate", "gate.begun"))

    def overrides(self, step: int | None, finished: int = 0) -> list[str]:
        """What puts the gate into runs on the command line."""
        at = "null" if step is None else step
        knobs = {"_target_": f"{__name__}.GateLogger", "folder": self.opened.parent, "step": at}
        return [f"+logger.gate.{key}={value}" for key, value in {**knobs, "finished": finished}.items()]

    def stand(self, name: str) -> None:
        """Say that a run is at the gate, and wait until it opens."""
        self.there.mkdir(exist_ok=True)
        (self.there / name).touch()
        until(self.is_open)

    def is_open(self) -> bool:
        return self.opened.exists()

    def open(self) -> None:
        self.opened.touch()

    def close(self) -> None:
        """Close it again, with nobody waiting."""
        self.opened.unlink(missing_ok=True)
        for path in self.there.glob("*"):
            path.unlink()

    def waiting(self) -> set[str]:
        """The runs at the gate."""
        return {path.name for path in self.there.glob("*")}

    def wait(self, *processes: Any, runs: int = 1) -> None:
        """Wait until so many runs of these processes are at the gate."""
        until(lambda: len(self.waiting()) >= runs or any(p.poll() is not None for p in processes))
        assert {p.returncode for p in processes} == {None}, "ended before the gate"


def until(condition: Any) -> None:
    """Wait for something that happens."""
    deadline = time.monotonic() + HANGS
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)
