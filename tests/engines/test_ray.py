"""Sweeps on a real Ray cluster of this machine, with logical GPUs."""

import importlib.util
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import read_json
from tests.sweeps.conftest import CRASHING, Sweep, results

pytestmark = [
    pytest.mark.engines,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="not installed: ray (pip install overparam[ray])"
    ),
]


def test_two_runs_share_each_gpu_and_a_crash_costs_one_run(
    sweep: Callable[..., Sweep], tmp_path: Path
) -> None:
    on_ray = (
        "hydra/launcher=ray_cluster",
        "hydra.launcher.ray.init.num_gpus=2",
        "hydra.launcher.ray.init.num_cpus=4",
    )
    ways = "+model.how=none,raise,segfault"
    fraction = "hydra.launcher.ray.remote.num_gpus=0.5"
    code, output = sweep("name=r", CRASHING, ways, "seed=0,1", *on_ray, fraction).run()
    assert code == 2, output
    assert "4 of 6 runs failed" in output
    assert len(results(tmp_path / "r")) == 2
    reasons = Counter(read_json(path)["reason"] for path in tmp_path.glob("r/*/failure.json"))
    assert reasons == {
        "ValueError: a bug in the network": 2,
        "its process was killed by SIGSEGV (segmentation fault)": 2,
    }
    devices = {read_json(path)["cuda_visible_devices"] for path in tmp_path.glob("r/*/provenance.json")}
    assert devices == {"0", "1"}


def test_gpus_that_are_not_there_are_refused(sweep: Callable[..., Sweep]) -> None:
    asked = ("hydra.launcher.ray.init.num_gpus=1", "hydra.launcher.ray.remote.num_gpus=2")
    code, output = sweep("seed=0,1", "hydra/launcher=ray_cluster", *asked).run()
    assert code == 2
    assert output.splitlines()[-1].startswith(
        "error: hydra.launcher.ray.remote.num_gpus=2, and there is 1 GPU"
    )
