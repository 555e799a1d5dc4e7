"""Two quick runs on one training set, of a kind, trained once for all tests here."""

import pytest

from overparam.runs.identity import run_directory
from overparam.training.finished import load_run
from overparam.training.run import train
from tests.conftest import compose_config

TINY = ("data.n_train=80", "trainer.max_steps=60", "trainer.accelerator=cpu", "logger=local", "data.seed=0")


def pair(logs, *overrides):
    runs = []
    for seed in (0, 1):
        cfg = compose_config(*TINY, *overrides, f"seed={seed}", f"paths.logs={logs}")
        train(cfg)
        runs.append(load_run(run_directory(cfg)))
    return runs


@pytest.fixture(scope="package")
def mlps(tmp_path_factory):
    return pair(tmp_path_factory.mktemp("mlps"), "model.width=12", "model.depth=2")


@pytest.fixture(scope="package")
def cnns(tmp_path_factory):
    return pair(tmp_path_factory.mktemp("cnns"), "model=cnn3", "model.width=3", "data.batch_size=20")


@pytest.fixture(scope="package")
def resnets(tmp_path_factory):
    small = ("model=preact_resnet18", "model.width=2", "model.blocks=[1,1]", "data.batch_size=20")
    return pair(tmp_path_factory.mktemp("resnets"), *small, "optimizer.lr=1e-2")
