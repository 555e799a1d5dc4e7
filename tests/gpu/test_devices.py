"""One run on one device and on two, copied (DDP) and sharded (FSDP). Not run on a GPU yet."""

import pytest
import torch

from tests.command_line import command_line
from tests.conftest import read_json

pytestmark = pytest.mark.gpu

COMMON = ("data.n_train=64", "data.batch_size=16", "trainer.max_steps=20", "logger=local")
COMMON += ("model.norm=batch", "optimizer=sgd", "optimizer.lr=0.01", "trainer.accelerator=gpu")


def summary(folder, *overrides):
    done = command_line("train.py", *COMMON, f"paths.logs={folder}", *overrides)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*/*/summary.json")
    return read_json(path)


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("trainer", ["ddp", "fsdp"])
def test_a_run_on_several_devices_has_the_numbers_of_one(tmp_path, trainer, devices):
    if torch.cuda.device_count() < devices:
        pytest.skip(f"this needs {devices} CUDA GPUs")
    norm = ("model.norm=layer",) if trainer == "fsdp" else ()  # BatchNorm is synchronized under DDP alone
    alone = summary(tmp_path / "alone", *norm)
    shared = summary(tmp_path / "shared", f"trainer={trainer}", f"trainer.devices={devices}", *norm)
    assert shared["train_loss"] == pytest.approx(alone["train_loss"], rel=1e-3)
