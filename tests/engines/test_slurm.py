"""Sweeps on a real SLURM, with fake GPUs."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from overparam.sweeps.state import is_locked
from tests.conftest import read_json
from tests.engines.slurm import Cluster
from tests.sweeps.conftest import CRASHING, GRID, Sweep, results, wait_for

pytestmark = pytest.mark.engines

ON_SLURM = ("hydra/launcher=slurm", "hydra.launcher.gpus_per_node=1", "hydra.launcher.timeout_min=5")


def started(folder: Path) -> bool:
    return any(map(is_locked, folder.glob("mlp*")))


def test_requeued_and_cancelled_jobs_continue_bit_for_bit(
    sweep: Callable[..., Sweep], slurm: Cluster, tmp_path: Path, undisturbed: dict[str, dict[str, object]]
) -> None:
    folder = tmp_path / "disturbed"
    running = sweep("name=disturbed", *GRID, *ON_SLURM, **slurm.environment).start()
    moments = random.Random(0)
    finished: dict[str, float] = {}
    disturbed = 0
    for command in (["scontrol", "requeue"], ["scancel"], ["scontrol", "requeue"]):
        wait_for(lambda: started(folder) or running.process.poll() is not None)
        time.sleep(moments.uniform(0, 1))
        disturbed += sum(slurm.tell(*command, job) for job in slurm.jobs("RUNNING"))
        for path in folder.glob("*/summary.json"):
            assert finished.setdefault(path.parent.name, path.stat().st_mtime) == path.stat().st_mtime
    code, output = running.finish()
    assert code == 0, output
    assert disturbed >= 4
    assert results(folder) == undisturbed
    for name, moment in finished.items():  # finished before: not touched again
        assert (folder / name / "summary.json").stat().st_mtime == moment
    devices = {read_json(path)["cuda_visible_devices"] for path in folder.glob("*/provenance.json")}
    assert devices == {"0", "1"}  # of two nodes


def test_a_crash_costs_one_run(sweep: Callable[..., Sweep], slurm: Cluster, tmp_path: Path) -> None:
    how = "+model.how=raise,segfault,none"
    code, output = sweep("name=bad", CRASHING, how, *ON_SLURM, **slurm.environment).run()
    assert code == 2
    assert len(results(tmp_path / "bad")) == 1
    reasons = {read_json(path)["reason"] for path in tmp_path.glob("bad/*/failure.json")}
    assert reasons == {
        "ValueError: a bug in the network",
        "its process was killed by SIGSEGV (segmentation fault)",
    }
    assert "2 of 3 runs failed" in output


def test_ctrl_c_cancels_the_jobs(sweep: Callable[..., Sweep], slurm: Cluster, tmp_path: Path) -> None:
    running = sweep("name=c", "seed=range(6)", "trainer.max_steps=500000", *ON_SLURM, **slurm.environment)
    running.start()
    wait_for(lambda: started(tmp_path / "c"))
    running.interrupt()
    code, _ = running.finish()
    assert code == 130
    wait_for(lambda: not slurm.jobs("RUNNING,PENDING,COMPLETING"))
