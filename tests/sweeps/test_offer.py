"""What launchers say they have for runs, and what a sweep does with it."""

import subprocess
import sys
from typing import Any

import pytest
from omegaconf import OmegaConf

from hydra_plugins.overparam_launcher import LocalLauncher
from overparam.compat_hydra import BASIC_LAUNCHER
from overparam.sweeps import offer, slots
from overparam.sweeps.check import does_not_fit
from overparam.sweeps.offer import Offer
from overparam.sweeps.slots import cpu_count
from tests.conftest import compose_config

RAY = "hydra_plugins.hydra_ray_launcher.ray_launcher"
SUBMITIT = "hydra_plugins.hydra_submitit_launcher.submitit_launcher"


def launcher_of(module: str, **attributes: Any) -> Any:
    return type("Launcher", (), {"__module__": module, **attributes})()


def test_a_launcher_that_says_nothing_runs_one_job_at_a_time() -> None:
    said = Offer(launcher_of("mine"))
    assert (said.slots, said.cores_per_job, said.processes_per_run, said.obstacle) == (1, 1, 1, None)
    assert not any((said.needs_isolation, said.in_this_process, said.fails_fast))
    said.cancel()


def test_a_labs_own_launcher_says_it_by_attributes() -> None:
    cancelled: list[int] = []
    own = launcher_of("mine", slots=8, processes_per_run=2, needs_isolation=True)
    own.cancel = lambda: cancelled.append(1)
    said = Offer(own)
    assert (said.slots, said.processes_per_run, said.needs_isolation) == (8, 2, True)
    said.cancel()
    assert cancelled == [1]


def test_hydras_own_runs_in_this_process() -> None:
    said = Offer(launcher_of(BASIC_LAUNCHER))
    assert said.in_this_process
    assert said.cores_per_job == cpu_count()
    assert said.fails_fast
    assert not said.needs_isolation


@pytest.mark.parametrize(("runs_per_gpu", "slots", "processes"), [(1, 4, 1), (2, 8, 1), (0.5, 2, 2)])
def test_the_labs_launcher_has_its_slots(runs_per_gpu: float, slots: int, processes: int) -> None:
    said = Offer(LocalLauncher(devices=[0, 1, 2, 3], runs_per_gpu=runs_per_gpu, cpu_slots=None))
    assert (said.slots, said.processes_per_run, said.fails_fast) == (slots, processes, True)


def test_a_gpu_that_is_not_there_is_an_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(slots, "visible_gpus", lambda: ["0", "1"])

    def obstacle(devices: list[int] | None) -> str | None:
        return Offer(LocalLauncher(devices=devices, runs_per_gpu=1, cpu_slots=None)).obstacle

    assert [obstacle(devices) for devices in (None, [], [1, 0])] == [None] * 3
    assert str(obstacle([0, 2])).startswith(
        "hydra.launcher.devices=[0, 2] names GPU 2, and this machine has 2 GPUs"
    )
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1a2b")
    assert obstacle([2]) is None


@pytest.mark.parametrize(("cpu_slots", "cores"), [(1, 8), (2, 4), (3, 2), (16, 0)])
def test_jobs_of_one_machine_share_its_cores(
    monkeypatch: pytest.MonkeyPatch, cpu_slots: int, cores: int
) -> None:
    monkeypatch.setattr(slots, "cpu_count", lambda: 8)
    assert Offer(LocalLauncher(devices=[], runs_per_gpu=1, cpu_slots=cpu_slots)).cores_per_job == cores


def test_a_job_elsewhere_has_the_cores_that_it_asks_for() -> None:
    assert Offer(launcher_of(SUBMITIT, params={"cpus_per_task": 4})).cores_per_job == 4
    assert Offer(launcher_of(SUBMITIT, params={"cpus_per_task": None})).cores_per_job == 1
    settings = {"init": {}, "remote": {"num_cpus": 2}}
    assert Offer(launcher_of(RAY, ray_cfg=OmegaConf.create(settings))).cores_per_job == 2


def ray(there: int | None, asked: float) -> Any:
    settings = {"init": {"address": "local", "num_gpus": there}, "remote": {"num_gpus": asked}}
    return launcher_of(RAY, ray_cfg=OmegaConf.create(settings))


def test_ray_is_asked_for_no_more_gpus_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Offer(ray(2, 0.5)).obstacle is None
    said = Offer(ray(1, 2))
    assert said.needs_isolation
    assert does_not_fit([compose_config()], said) == (
        "hydra.launcher.ray.remote.num_gpus=2, and there is 1 GPU: ask for fewer"
    )
    monkeypatch.setattr(offer, "visible_gpus", lambda: ["0", "1"])
    assert "and there are 2 GPUs" in str(Offer(ray(None, 3)).obstacle)
    elsewhere = ray(None, 3)
    elsewhere.ray_cfg.init.address = "auto"
    assert Offer(elsewhere).obstacle is None


def test_slurm_gives_a_run_its_tasks_and_cancels_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []
    monkeypatch.setattr(offer.subprocess, "run", lambda command, **_: called.append(command))
    params = {"tasks_per_node": 2, "nodes": 3, "name": "mine-1", "partition": None}
    said = Offer(launcher_of(SUBMITIT, params=params))
    assert (said.processes_per_run, said.needs_isolation) == (6, True)
    said.cancel()
    assert called == [["scancel", "--name", "mine-1"]]
    Offer(launcher_of(SUBMITIT, params={"tasks_per_node": 1, "nodes": 1})).cancel()  # this machine
    assert len(called) == 1


def test_runs_must_fit_what_they_are_given() -> None:
    assert does_not_fit([compose_config()], Offer(launcher_of("mine"))) is None
    two = compose_config("trainer=ddp")
    assert does_not_fit([two], Offer(launcher_of("mine", processes_per_run=2))) is None
    said = does_not_fit([compose_config(), two], Offer(launcher_of("mine")))
    assert said is not None
    assert said.startswith("trainer.devices=2 trains one run on 2 devices, and this sweep gives each run 1:")


def test_sweeps_know_neither_packs_nor_reports() -> None:
    code = "import sys, overparam.sweeps.sweep, overparam.sweeps.plan; print(*sys.modules, sep=' ')"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "overparam.packs" not in modules
    assert "overparam.analysis" not in modules
