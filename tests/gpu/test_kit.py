"""The GPU's tests as far as they run without one, so that no slip of the pen is found on the day that there is one."""

from unittest.mock import patch

import pytest
import torch

from tests.conftest import compose_config
from tests.gpu import test_training
from tests.gpu.test_devices import COMMON
from tests.gpu.test_training import no_wait_between_evaluations

__all__ = ["no_wait_between_evaluations"]


@pytest.fixture
def compose(tmp_path):
    """In place of the GPU's own: the same run on the CPU."""

    def build(*overrides):
        small = ("data.n_train=60", "trainer.max_steps=40", "logger=local", f"paths.logs={tmp_path}")
        return compose_config(*small, *overrides, "trainer.accelerator=cpu")

    return build


@pytest.fixture
def modes(monkeypatch):
    """What torch was told of waits for the GPU, in turn."""
    told = []
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", told.append)
    return told


def test_comparisons_of_runs(compose, tmp_path):
    test_training.test_a_run_has_the_cpus_numbers_in_float64(compose, tmp_path, "mlp")
    test_training.test_members_of_a_pack_equal_their_runs_alone_in_float64(compose, tmp_path / "packs", "mlp")
    test_training.test_what_is_for_speed_changes_rounding_only(
        compose, tmp_path / "fast", "channels_last=true"
    )


def test_waits_are_watched_for_between_evaluations_alone(compose, modes, no_wait_between_evaluations):
    test_training.test_no_step_waits_for_the_gpu(compose, no_wait_between_evaluations, "mlp", "mixup")
    assert modes[0] == modes[-1] == "default"
    assert modes.count("error") == modes.count("default") - 2 > 3  # but before the first step, and at the end


def test_precision_and_a_kill(compose, tmp_path):
    test_training.test_a_run_learns_in_lower_precision(compose, "bf16-mixed", ["clip_norm=1"])
    with patch.object(test_training, "DROPOUT", [*test_training.NETWORKS["mlp"], "model.dropout=0.3"]):
        test_training.test_a_killed_run_goes_on_with_the_dropout_it_would_have_had(compose, tmp_path / "cut")


def test_configs_of_runs_on_several_devices():
    for trainer in ("ddp", "fsdp"):
        assert compose_config(*COMMON, f"trainer={trainer}", "trainer.devices=2").trainer.devices == 2
