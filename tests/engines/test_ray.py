"""Sweeps on a real Ray cluster of this machine, with logical GPUs."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from overparam.runs.state import is_locked
from tests.conftest import read_json
from tests.gate import Gate
from tests.sweeps.conftest import CRASHING, Sweep, results
from tests.sweeps.test_failures import REASONS, failures
from tests.sweeps.test_faults import assert_a_hanging_run_fails

pytestmark = [
    pytest.mark.engines,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="not installed: ray (pip install overparam[ray])"
    ),
]


def test_two_runs_share_each_gpu_and_every_way_to_fail_costs_one_run(
    sweep: Callable[..., Sweep], tmp_path: Path
) -> None:
    on_ray = (
        "hydra/launcher=ray_cluster",
        "hydra.launcher.ray.init.num_gpus=2",
        "hydra.launcher.ray.init.num_cpus=4",
    )
    ways = f"+model.how={','.join(['none', *REASONS])}"
    fraction = "hydra.launcher.ray.remote.num_gpus=0.5"
    code, output = sweep("name=r", CRASHING, ways, *on_ray, fraction).run()
    assert code == 2, output
    assert failures(tmp_path / "r") == {how: (reason, 1) for how, reason in REASONS.items()}
    assert len(results(tmp_path / "r")) == 1
    for reason in REASONS.values():
        assert reason in output
    assert "6 of 7 runs failed" in output.splitlines()[-1]
    devices = {read_json(path)["cuda_visible_devices"] for path in tmp_path.glob("r/*/provenance.json")}
    assert devices == {"0", "1"}


def test_a_hanging_run_fails_and_the_others_go_on(sweep: Callable[..., Sweep], tmp_path: Path) -> None:
    places = ("hydra/launcher=ray_cluster", "hydra.launcher.ray.init.num_cpus=2")
    assert_a_hanging_run_fails(sweep, tmp_path, *places)


def test_ctrl_c_leaves_nothing_behind(sweep: Callable[..., Sweep], tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    started = sweep("name=c", "seed=0,1", "hydra/launcher=ray_cluster", *gate.overrides(step=10)).start()
    gate.wait(started.process)
    started.interrupt()
    code, _ = started.finish()
    assert code == 130
    started.wait_for_all()
    assert not list(tmp_path.glob("c/*/failure.json"))
    assert not any(map(is_locked, tmp_path.glob("c/*")))


def test_gpus_that_are_not_there_are_refused(sweep: Callable[..., Sweep]) -> None:
    asked = ("hydra.launcher.ray.init.num_gpus=1", "hydra.launcher.ray.remote.num_gpus=2")
    code, output = sweep("seed=0,1", "hydra/launcher=ray_cluster", *asked).run()
    assert code == 2
    assert output.splitlines()[-1].startswith(
        "error: hydra.launcher.ray.remote.num_gpus=2, and there is 1 GPU"
    )
