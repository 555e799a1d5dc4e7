import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from tests.command_line import ROOT

CONFIGS = ROOT / "configs"

# Whatever this machine's W&B account is, tests never reach it.
os.environ["WANDB_MODE"] = "offline"
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Give every test the same process, whichever ran before it."""
    environment, threads, dtype = dict(os.environ), torch.get_num_threads(), torch.get_default_dtype()
    handlers = list(logging.root.handlers)
    levels = {name: logging.getLogger(name).level for name in (None, "overparam", "lightning.pytorch")}
    torch.manual_seed(0)
    yield
    for name in os.environ.keys() - environment.keys() - {"PYTEST_CURRENT_TEST"}:
        del os.environ[name]  # such as W&B's WANDB_SERVICE, which leads to a process that is gone
    os.environ.update(environment)
    torch.set_num_threads(threads)
    torch.set_default_dtype(dtype)
    logging.root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def compose_config(*overrides: str) -> DictConfig:
    """The config of `python scripts/train.py <overrides>`."""
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose("train", list(overrides))


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., DictConfig]:
    """Composes a run of a second: 60 samples, 40 steps, local files under tmp_path."""

    def build(*overrides: str) -> DictConfig:
        defaults = ("data.n_train=60", "trainer.max_steps=40", "trainer.accelerator=cpu", "logger=local")
        return compose_config(*defaults, f"paths.logs={tmp_path}", *overrides)

    return build


def read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())
