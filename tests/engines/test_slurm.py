"""Sweeps on a real SLURM, with four fake GPUs."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from overparam.runs.provenance import resumed_at
from overparam.runs.state import is_locked
from tests.conftest import read_json
from tests.engines.slow import SECONDS
from tests.engines.slurm import Cluster
from tests.gate import Gate, until
from tests.sweeps.conftest import (
    CRASHING,
    GRID_OF_FORTY,
    Sweep,
    Undisturbed,
    assert_untouched,
    results,
)
from tests.sweeps.test_failures import REASONS, failures
from tests.sweeps.test_faults import assert_a_hanging_run_fails

pytestmark = pytest.mark.engines

ON_SLURM = ("hydra/launcher=slurm", "hydra.launcher.gpus_per_node=1", "hydra.launcher.timeout_min=5")
SLOW = ("model._target_=tests.engines.slow.SlowMLP", "trainer.max_steps=400", "checkpoint_seconds=0.05")


def running(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*mlp*") if is_locked(path)]


def saved(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.glob("*/last.ckpt")}


def test_packs_in_requeued_and_cancelled_jobs_continue_bit_for_bit(
    sweep: Callable[..., Sweep], slurm: Cluster, tmp_path: Path, undisturbed: Undisturbed
) -> None:
    folder = tmp_path / "disturbed"
    gate = Gate(tmp_path)
    knobs = (*GRID_OF_FORTY, *ON_SLURM, *gate.overrides(step=100))
    started = sweep("name=disturbed", *knobs, **slurm.environment).start()
    gate.wait(started.process, runs=4)
    at_gate = gate.waiting()
    moments = random.Random(0)
    finished: dict[str, float] = {}
    now: dict[Path, int] = {}
    disturbed = 0
    while disturbed < 40 and started.process.poll() is None:
        until(lambda: running(folder) or started.process.poll() is not None)
        if (
            disturbed
        ):  # submitit lets a job that is told to end go on for a while, which must be at the gate still
            until(lambda: all(resumed_at(folder / name) or not is_locked(folder / name) for name in at_gate))
            gate.open()
            time.sleep(moments.uniform(0, 4))  # wherever the jobs are then
        # A sweep gives up a cluster that cancels its jobs again and again while no run goes on.
        before, now = now, saved(folder)
        for job in slurm.jobs("RUNNING"):
            command = moments.choice((["scontrol", "requeue"], ["scancel"])[: 1 + (now != before)])
            disturbed += slurm.tell(*command, job)
        assert_untouched(folder, finished)
    code, output = started.finish()
    assert code == 0, output
    assert all(resumed_at(folder / name)[:1] == [79] for name in at_gate)
    assert results(folder) == undisturbed(*GRID_OF_FORTY)
    assert_untouched(folder, finished)


def test_jobs_out_of_time_are_requeued_and_continue_bit_for_bit(
    sweep: Callable[..., Sweep], slurm: Cluster, tmp_path: Path
) -> None:
    knobs = (*SLOW, "seed=0,1")
    code, output = sweep("name=undisturbed", *knobs).run()
    assert code == 0, output
    limit = ("hydra.launcher.timeout_min=2", "hydra.launcher.signal_delay_s=30")
    # SLURM looks at limits every 30 seconds: a job is warned 60 to 90 seconds after its start, and this is 100 seconds.
    timed = sweep("name=limited", *knobs, *ON_SLURM, *limit, **slurm.environment, **{SECONDS: "0.25"})
    code, output = timed.run()
    assert code == 0, output
    assert results(tmp_path / "limited") == results(tmp_path / "undisturbed")
    assert min(slurm.restarts()[-2:]) >= 1


def test_each_run_sees_its_own_gpu(sweep: Callable[..., Sweep], slurm: Cluster, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    started = sweep(
        "name=d", "pack=off", "seed=0,1,2,3,4", *ON_SLURM, *gate.overrides(step=1), **slurm.environment
    ).start()
    gate.wait(started.process, runs=4)
    files = [tmp_path / "d" / name / "provenance.json" for name in gate.waiting()]
    assert sorted(read_json(file)["cuda_visible_devices"] for file in files) == ["0", "1", "2", "3"]
    gate.open()
    code, output = started.finish()
    assert code == 0, output


@pytest.mark.parametrize("trainer", ["ddp", "fsdp"])
def test_each_run_of_two_processes_sees_its_two_gpus(
    sweep: Callable[..., Sweep], slurm: Cluster, tmp_path: Path, trainer: str
) -> None:
    places = ("hydra.launcher.gpus_per_node=2", "hydra.launcher.tasks_per_node=2")
    local = {**slurm.environment, "MASTER_ADDR": "127.0.0.1"}  # the node's name is no host's
    code, output = sweep("name=d", "seed=0,1", f"trainer={trainer}", *ON_SLURM, *places, **local).run()
    assert code == 0, output
    assert len(results(tmp_path / "d")) == 2
    seen = [read_json(path)["cuda_visible_devices"] for path in tmp_path.glob("d/*/provenance.json")]
    assert sorted(seen) == ["0,1", "2,3"]


def test_every_way_to_fail_costs_one_run(sweep: Callable[..., Sweep], slurm: Cluster, tmp_path: Path) -> None:
    how = f"+model.how={','.join([*REASONS, 'none'])}"
    code, output = sweep("name=bad", CRASHING, how, *ON_SLURM, **slurm.environment).run()
    assert code == 2
    assert failures(tmp_path / "bad") == {how: (reason, 1) for how, reason in REASONS.items()}
    assert len(results(tmp_path / "bad")) == 1
    for reason in REASONS.values():
        assert reason in output
    assert "6 of 7 runs failed" in output.splitlines()[-1]


def test_a_hanging_run_fails_and_its_job_ends(
    sweep: Callable[..., Sweep], slurm: Cluster, tmp_path: Path
) -> None:
    assert_a_hanging_run_fails(sweep, tmp_path, *ON_SLURM, **slurm.environment)
    until(lambda: not slurm.jobs("RUNNING,PENDING,COMPLETING"))


def test_ctrl_c_cancels_the_jobs(sweep: Callable[..., Sweep], slurm: Cluster, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    knobs = ("name=c", "seed=range(6)", *ON_SLURM, *gate.overrides(step=1))
    started = sweep(*knobs, **slurm.environment).start()
    gate.wait(started.process)
    started.interrupt()
    code, _ = started.finish()
    assert code == 130
    until(lambda: not slurm.jobs("RUNNING,PENDING,COMPLETING"))
    assert not list(tmp_path.glob("c/*/failure.json"))
    assert not running(tmp_path / "c")
