import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from overparam.sweeps.grid import Composer
from tests.command_line import ENVIRONMENT, Command
from tests.conftest import CONFIGS
from tests.gate import HANGS, until

CRASHING = "model._target_=tests.sweeps.crashing.CrashingMLP"
# Runs alone; tests/packs kills packs.
KILLABLE = ("pack=off", "checkpoint_seconds=1e-9")
GRID = ("model.width=4,8", "seed=range(4)", "trainer.max_steps=400", *KILLABLE)
# Four packs of ten: each depth is one, wherever it is trained.
GRID_OF_FORTY = ("model.width=4,8", "model.depth=1,2,3,4", "seed=range(5)", "trainer.max_steps=2000")
GRID_OF_FORTY += ("checkpoint_seconds=1e-9",)
Undisturbed = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def composer(tmp_path: Path) -> Any:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        master = compose("train", [f"paths.logs={tmp_path}"], return_hydra_config=True)
        yield Composer(GlobalHydra.instance().config_loader(), master)


class Sweep:
    """A sweep of the command line, all whose processes can be found by their session."""

    def __init__(self, logs: Path, *overrides: str, **environment: str) -> None:
        small = ("data.n_train=60", "trainer.max_steps=40", "trainer.accelerator=cpu", "logger=local")
        self.arguments = ["-m", *small, f"paths.logs={logs}", *overrides]
        self.environment = {**ENVIRONMENT, **environment}
        self.process: Command

    def start(self) -> "Sweep":
        self.process = Command("train.py", *self.arguments, env=self.environment, stderr=subprocess.STDOUT)
        return self

    def finish(self, seconds: float = HANGS) -> tuple[int, str]:
        output, _ = self.process.communicate(timeout=seconds)
        return self.process.wait(), output

    def run(self) -> tuple[int, str]:
        return self.start().finish()

    def interrupt(self) -> None:
        """What Ctrl-C does: a signal to every process of the terminal's foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> None:
        """End what is left of the sweep."""
        for process in _session(self.process.pid) if hasattr(self, "process") else []:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def wait_for_all(self) -> None:
        """Wait until no process of the sweep is left."""
        until(lambda: not _session(self.process.pid))


def _session(leader: int) -> list[int]:
    members = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            members.append(int(path.parent.name))
    return members


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[Callable[..., Sweep]]:
    made: list[Sweep] = []

    def make(*overrides: str, **environment: str) -> Sweep:
        made.append(Sweep(tmp_path, *overrides, **environment))
        return made[-1]

    yield make
    for one in made:
        one.end()  # of a test that failed


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """What a sweep ends with if nothing disturbs it: grid -> results."""

    @cache
    def train(*grid: str) -> dict[str, dict[str, Any]]:
        logs = tmp_path_factory.mktemp("undisturbed")
        code, output = Sweep(logs, "name=undisturbed", *grid).run()
        assert code == 0, output
        return results(logs / "undisturbed")

    return train


def assert_untouched(folder: Path, finished: dict[str, float]) -> None:
    """Check that no summary known to `finished`, by run and time of writing, was written again; add new ones."""
    for path in folder.glob("*/summary.json"):
        assert finished.setdefault(path.parent.name, path.stat().st_mtime) == path.stat().st_mtime
    assert all((folder / name / "summary.json").exists() for name in finished)


def results(folder: Path) -> dict[str, dict[str, Any]]:
    """The summaries under `folder`, without what depends on the machine's speed."""
    summaries = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/summary.json")}
    for summary in summaries.values():
        del summary["wall_seconds"], summary["name"]
    return summaries
