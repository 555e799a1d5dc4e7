"""The guides to SLURM, Ray and Optuna, followed on the engines themselves."""

import importlib.util
from collections.abc import Callable

import pytest
from omegaconf import OmegaConf

from tests.docs.conftest import follow
from tests.engines.slurm import Cluster

__all__ = ["follow"]

pytestmark = pytest.mark.engines


def needs(package: str, extra: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"not installed: {package} (pip install overparam[{extra}])")


def test_slurm(slurm: Cluster, follow: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in slurm.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")  # the node's name is no host's
    guide = follow("slurm.md", engines=True)
    assert len(guide.summaries("grid")) == len(guide.summaries("wide")) == 4
    assert "4 finished" in guide.printed("overparam-status")
    assert len(slurm.jobs("COMPLETED")) >= 8


@needs("ray", "ray")
def test_ray(follow: Callable) -> None:
    guide = follow("cluster.md", engines=True)
    assert len(guide.summaries("on_ray")) == 4


@needs("optuna", "optuna")
def test_optuna(follow: Callable) -> None:
    guide = follow("search.md", engines=True)
    # One point by hand, three commands of four trials, one point of an agent's.
    runs = guide.summaries("tune")
    assert len(runs) == 14
    found = OmegaConf.load(guide.folder / "logs/tune/optimization_results.yaml")
    assert found.best_value in [run["val_error"] for run in runs]
