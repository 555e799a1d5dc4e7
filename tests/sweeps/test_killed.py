import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from overparam.sweeps.state import is_locked
from tests.sweeps.conftest import GRID, Sweep, results, wait_for


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    logs = tmp_path_factory.mktemp("undisturbed")
    code, _ = Sweep(logs, "name=undisturbed", *GRID).run()
    assert code == 0
    return results(logs / "undisturbed")


@pytest.mark.parametrize("launcher", ["basic", "local"])
def test_killed_at_random_moments_and_restarted(
    sweep: Callable[..., Sweep], tmp_path: Path, undisturbed: dict[str, dict[str, Any]], launcher: str
) -> None:
    moments = random.Random(0)
    folder = tmp_path / "disturbed"
    disturbed = sweep("name=disturbed", *GRID, f"hydra/launcher={launcher}")
    finished: dict[str, float] = {}
    for _ in range(4):
        disturbed.start()
        wait_for(lambda: any(map(is_locked, folder.glob("*"))) or disturbed.process.poll() is not None)
        time.sleep(moments.uniform(0, 2))
        disturbed.process.kill()
        disturbed.finish()
        assert disturbed.orphans() == []
        for path in folder.glob("*/summary.json"):
            assert finished.setdefault(path.parent.name, path.stat().st_mtime) == path.stat().st_mtime
    code, _ = disturbed.run()
    assert code == 0
    assert results(folder) == undisturbed
    for name, moment in finished.items():  # finished before: not touched again
        assert (folder / name / "summary.json").stat().st_mtime == moment


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
    sweep: Callable[..., Sweep], tmp_path: Path, undisturbed: dict[str, dict[str, Any]]
) -> None:
    both = [sweep("name=shared", *GRID).start() for _ in range(2)]
    ends = [one.finish() for one in both]
    assert [code for code, _ in ends] == [0, 0]
    assert results(tmp_path / "shared") == undisturbed
    lines = [line for _, output in ends for line in output.splitlines()]
    trained = [line.split(":")[0] for line in lines if "P/n" in line and "train error" in line]
    trained = [line for line in trained if line.startswith(str(tmp_path))]
    assert len(trained) == len(set(trained)) == 8
