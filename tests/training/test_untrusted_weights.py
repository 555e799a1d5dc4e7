"""Weights and checkpoints that someone else wrote: nothing in them is executed, whoever reads them."""

import pickle
from contextlib import suppress

import pytest
import torch

from overparam.api import load
from overparam.errors import ConfigError
from overparam.runs.identity import run_directory
from overparam.training.build import resolve
from overparam.training.run import train
from tests.crafted import Makes


@pytest.fixture
def crafted(tmp_path):
    """Writes a file that would make a folder where `torch.load` trusts it, and returns that folder."""

    def write(path):
        made = tmp_path / "made"
        torch.save({"global_step": 3, "state_dict": Makes(made)}, path)
        return made

    return write


def test_pretrained_weights(small, tmp_path, crafted):
    made = crafted(tmp_path / "weights.pt")
    with pytest.raises(ConfigError, match="holds no weights"):
        train(small(f"init_from={tmp_path / 'weights.pt'}"))
    assert not made.exists()


def test_a_finished_runs_weights_and_a_teachers(small, crafted):
    cfg = small("trainer.max_steps=2")
    train(cfg)
    run_dir = run_directory(resolve(cfg))
    made = crafted(run_dir / "weights.pt")
    with pytest.raises(ConfigError, match="is damaged"):
        load(run_dir)
    with pytest.raises(ConfigError, match="is damaged"):
        train(small("trainer.max_steps=2", "module=distillation", f"module.teacher={run_dir}"))
    assert not made.exists()


def test_the_checkpoint_of_a_killed_run(small, tmp_path, crafted):
    cfg = small("trainer.max_steps=2")
    run_dir = run_directory(resolve(cfg))
    run_dir.mkdir(parents=True)
    made = crafted(run_dir / "last.ckpt")
    with suppress(pickle.UnpicklingError):  # unless it is set aside, and the run trained again
        train(cfg)
    assert not made.exists()
    crafted(tmp_path / "same.ckpt")
    torch.load(tmp_path / "same.ckpt", weights_only=False)
    assert made.exists()  # so it would have been
