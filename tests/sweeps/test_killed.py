import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from overparam.runs.state import is_locked
from tests.sweeps.conftest import GRID, GRID_OF_FORTY, Sweep, Undisturbed, assert_untouched, results, wait_for


@pytest.mark.parametrize("launcher", ["basic", "local"])
@pytest.mark.parametrize(
    ("grid", "kills"),
    [
        pytest.param(GRID, 4, id="8 runs, 4 kills"),
        pytest.param(GRID_OF_FORTY, 20, id="40 runs, 20 kills", marks=pytest.mark.engines),
    ],
)
def test_killed_at_random_moments_and_restarted(
    sweep: Callable[..., Sweep],
    tmp_path: Path,
    undisturbed: Undisturbed,
    launcher: str,
    grid: tuple[str, ...],
    kills: int,
) -> None:
    moments = random.Random(0)
    folder = tmp_path / "disturbed"
    disturbed = sweep("name=disturbed", *grid, f"hydra/launcher={launcher}")
    finished: dict[str, float] = {}
    killed = 0
    for _ in range(kills):
        disturbed.start()
        wait_for(lambda: any(map(is_locked, folder.glob("*"))) or disturbed.process.poll() is not None)
        time.sleep(moments.uniform(0, 2))
        disturbed.process.kill()
        code, _ = disturbed.finish()
        killed += code == -signal.SIGKILL
        assert disturbed.orphans() == []
        assert_untouched(folder, finished)
    assert killed >= kills / 4  # on a fast machine the sweep ends before the last of them
    code, _ = disturbed.run()
    assert code == 0
    assert results(folder) == undisturbed(*grid)
    assert_untouched(folder, finished)


@pytest.mark.parametrize("launcher", ["basic", "local"])
def test_ctrl_c_ends_cleanly(sweep: Callable[..., Sweep], tmp_path: Path, launcher: str) -> None:
    interrupted = sweep(
        "name=c", f"hydra/launcher={launcher}", "seed=0,1,2,3", "trainer.max_steps=200000"
    ).start()
    wait_for(lambda: list(tmp_path.glob("c/*/metrics.csv")))
    time.sleep(0.3)
    interrupted.interrupt()
    code, output = interrupted.finish()
    assert code == 130
    assert output.splitlines()[-1] == "interrupted; the same command continues"
    assert "Traceback" not in output
    assert interrupted.orphans() == []
    assert not list(tmp_path.glob("c/*/failure.json"))
    assert not any(map(is_locked, tmp_path.glob("c/*")))


def test_two_sweeps_at_once_share_the_work(
    sweep: Callable[..., Sweep], tmp_path: Path, undisturbed: Undisturbed
) -> None:
    both = [sweep("name=shared", *GRID).start() for _ in range(2)]
    ends = [one.finish() for one in both]
    assert [code for code, _ in ends] == [0, 0]
    assert results(tmp_path / "shared") == undisturbed(*GRID)
    lines = [line for _, output in ends for line in output.splitlines()]
    trained = [line.split(":")[0] for line in lines if "P/n" in line and "train error" in line]
    trained = [line for line in trained if line.startswith(str(tmp_path))]
    assert len(trained) == len(set(trained)) == 8
