import pickle
import random
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from overparam.packs.record import read_packs
from overparam.runs.provenance import resumed_at
from overparam.runs.state import is_locked
from tests.gate import Gate
from tests.sweeps.conftest import GRID, GRID_OF_FORTY, Sweep, Undisturbed, assert_untouched, results

LAUNCHERS = {"basic": (), "local": ("hydra/launcher=local", "hydra.launcher.cpu_slots=2")}
AT_ONCE = {"basic": 1, "local": 2}
# Where the gate is: so many runs have finished, and the others are at this step or, if they were faster, after it.
KILLS = {
    "basic": ((0, 1), (0, 100), (1, 50), (3, 200), (5, 400)),
    "local": ((0, 1), (1, 50), (5, 400)),  # each takes ten seconds of imports
}


class Disturbed:
    """A sweep that is killed; it keeps which runs had finished and what checkpoints the others had then.

    Of a run in a pack there may be two: the one that was to take the other's place.
    """

    def __init__(self, sweep: Sweep, folder: Path) -> None:
        self.sweep, self.folder = sweep, folder
        self.finished: dict[str, float] = {}
        self.checkpoints: dict[str, list[set[int]]] = defaultdict(list)

    def kill(self) -> None:
        self.sweep.process.kill()
        self.sweep.finish()
        self.sweep.wait_for_all()
        assert_untouched(self.folder, self.finished)
        for run_dir in {path.parent for path in self.folder.glob("*/*last.ckpt*")}:
            if run_dir.name not in self.finished and (steps := checkpoints(run_dir)):
                self.checkpoints[run_dir.name].append(steps)

    def end(self, expected: dict[str, dict[str, object]]) -> None:
        code, output = self.sweep.run()
        assert code == 0, output
        assert results(self.folder) == expected
        assert_untouched(self.folder, self.finished)
        for name in expected:
            known, resumed = self.checkpoints[name], resumed_at(self.folder / name)
            assert all(any(step in steps for steps in known) for step in resumed)
            assert not known or resumed[-1] in known[-1]


def checkpoints(run_dir: Path) -> set[int]:
    """The steps of a run's checkpoints; one that was being written is none."""
    steps = set()
    for path in (run_dir / "last.ckpt", run_dir / ".last.ckpt.member"):
        with suppress(FileNotFoundError, EOFError, RuntimeError, pickle.UnpicklingError):
            steps.add(torch.load(path, weights_only=True)["global_step"])
    return steps


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_killed_again_and_again_and_restarted(
    sweep: Callable[..., Sweep], tmp_path: Path, undisturbed: Undisturbed, launcher: str
) -> None:
    gate, knobs = Gate(tmp_path), ("name=disturbed", *GRID, *LAUNCHERS[launcher])
    disturbed = Disturbed(sweep(*knobs), tmp_path / "disturbed")
    for finished, step in KILLS[launcher]:
        disturbed.sweep = sweep(*knobs, *gate.overrides(step, finished)).start()
        gate.wait(disturbed.sweep.process, runs=AT_ONCE[launcher])
        disturbed.kill()
        gate.close()
        assert len(disturbed.finished) >= finished
    disturbed.sweep = sweep(*knobs)
    disturbed.end(undisturbed(*GRID))
    assert len([name for name, steps in disturbed.checkpoints.items() if steps]) >= len(KILLS[launcher]) - 1


@pytest.mark.engines
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_packs_killed_at_twenty_random_moments_and_restarted(
    sweep: Callable[..., Sweep], tmp_path: Path, undisturbed: Undisturbed, launcher: str
) -> None:
    moments, gate = random.Random(0), Gate(tmp_path)
    knobs = ("name=disturbed", *GRID_OF_FORTY, *LAUNCHERS[launcher])
    disturbed = Disturbed(sweep(*knobs, *gate.overrides(step=0)), tmp_path / "disturbed")
    for _ in range(20):
        disturbed.sweep.start()
        gate.wait(disturbed.sweep.process)
        gate.open()
        time.sleep(moments.uniform(0, 2))  # wherever the sweep is then
        disturbed.kill()
        gate.close()
        if len(disturbed.finished) == 40:
            break
    disturbed.sweep = sweep(*knobs)
    disturbed.end(undisturbed(*GRID_OF_FORTY))
    assert sorted(len(pack.runs) for pack in read_packs(disturbed.folder)) == [10] * 4
    assert any(disturbed.checkpoints.values())


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_ctrl_c_ends_cleanly(sweep: Callable[..., Sweep], tmp_path: Path, launcher: str) -> None:
    gate = Gate(tmp_path)
    interrupted = sweep("name=c", "seed=0,1,2,3", *LAUNCHERS[launcher], *gate.overrides(step=10)).start()
    gate.wait(interrupted.process, runs=AT_ONCE[launcher])
    interrupted.interrupt()
    code, output = interrupted.finish()
    assert code == 130
    assert output.splitlines()[-1] == "interrupted; the same command continues"
    assert "Traceback" not in output
    interrupted.wait_for_all()
    assert not list(tmp_path.glob("c/*/failure.json"))
    assert not any(map(is_locked, tmp_path.glob("c/*")))


def test_two_sweeps_at_once_share_the_work(
    sweep: Callable[..., Sweep], tmp_path: Path, undisturbed: Undisturbed
) -> None:
    gate = Gate(tmp_path)
    both = [sweep("name=shared", *GRID, *gate.overrides(step=1)).start() for _ in range(2)]
    gate.wait(*(one.process for one in both), runs=2)
    gate.open()
    ends = [one.finish() for one in both]
    assert [code for code, _ in ends] == [0, 0], ends
    assert results(tmp_path / "shared") == undisturbed(*GRID)
    begun = gate.begun.read_text().splitlines()
    assert len(begun) == len(set(begun)) == 8
