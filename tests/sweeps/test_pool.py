import os
import signal
from pathlib import Path
from typing import Any

import pytest

from overparam.errors import ConfigError
from overparam.runs.state import RunDied, RunFailed
from overparam.sweeps.pool import run_all
from overparam.sweeps.slots import gpu_slots
from overparam.sweeps.worker import Worker
from tests.gate import until


def job(what: Any) -> Any:
    """Called in workers."""
    match what:
        case "raise":
            raise KeyError("gone")
        case "exit":
            os._exit(3)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "process":
            return os.getpid()
        case Path():  # four workers meet there
            device = os.environ["CUDA_VISIBLE_DEVICES"]
            (what / device).touch()
            until(lambda: len(list(what.iterdir())) == 4)
            return device
    return what


def test_results_come_in_order_and_a_death_costs_one_job() -> None:
    deaths: list[Any] = []
    jobs = [1, "raise", "kill", 2, "exit", 3]
    results = run_all(job, jobs, [{}, {}], lambda what, death: deaths.append((what, str(death))))
    assert [results[0], results[3], results[5]] == [1, 2, 3]
    assert isinstance(results[1], RunFailed)
    assert str(results[1]) == "KeyError: 'gone'"
    assert all(isinstance(results[i], RunDied) for i in (2, 4))
    assert sorted(deaths) == [
        ("exit", "its process ended with exit code 3"),
        ("kill", "its process was killed by SIGKILL (out of memory?)"),
    ]


def test_workers_are_reused() -> None:
    processes = run_all(job, ["process"] * 4, [{}], print)
    assert len(set(processes)) == 1
    assert processes[0] != os.getpid()


def test_each_slot_sees_its_own_device(tmp_path: Path) -> None:
    slots = [{"CUDA_VISIBLE_DEVICES": names} for names in gpu_slots([0, 1, 2, 3], 1)]
    seen = run_all(job, [tmp_path] * 4, slots, print)
    assert sorted(seen) == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("devices", "runs_per_gpu", "expected"),
    [
        ([0, 1], 1, ["0", "1"]),
        ([0, 1], 3, ["0", "1", "0", "1", "0", "1"]),
        ([0, 1, 2, 3], 0.5, ["0,1", "2,3"]),
        ([4, 5, 6], 0.5, ["4,5"]),
        ([0, 1, 2], 1 / 3, ["0,1,2"]),
    ],
)
def test_slots(devices: list[int], runs_per_gpu: float, expected: list[str]) -> None:
    assert gpu_slots(devices, runs_per_gpu) == expected


@pytest.mark.parametrize("runs_per_gpu", [0, -1, 0.4, 1.5])
def test_impossible_fractions_are_refused(runs_per_gpu: float) -> None:
    with pytest.raises(ConfigError, match="runs_per_gpu"):
        gpu_slots([0, 1, 2, 3], runs_per_gpu)


def test_a_run_cannot_take_more_gpus_than_there_are() -> None:
    with pytest.raises(ConfigError, match="gives a run 2 GPUs, and there are 1"):
        gpu_slots([0], 0.5)


def test_a_worker_has_the_environment_of_now_whatever_it_is_forked_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for now in ("first", "second"):
        monkeypatch.setenv("OVERPARAM_SEEN", now)
        worker = Worker(os.getenv, {"OVERPARAM_SLOT": now})
        for name in ("OVERPARAM_SEEN", "OVERPARAM_SLOT"):
            worker.send(name)
            assert worker.receive() == now
        worker.stop()
