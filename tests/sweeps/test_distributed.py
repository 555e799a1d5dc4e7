"""One run on two processes (gloo), alone and in a sweep."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from overparam.runs.metrics import read_metrics
from overparam.runs.provenance import resumed_at
from tests.command_line import ENVIRONMENT, Command, command_line
from tests.conftest import read_json
from tests.gate import Gate
from tests.sweeps.conftest import Sweep, results
from tests.sweeps.sharded import FOLDER

SMALL = (
    "data.n_train=96",
    "data.batch_size=32",
    "trainer.max_steps=40",
    "trainer.accelerator=cpu",
    "logger=local",
)

shards_here = pytest.mark.skipif(
    not hasattr(torch.cpu.Stream, "record_event"), reason=f"torch {torch.__version__} shards on GPUs alone"
)
DDP_AND_FSDP = ["ddp", pytest.param("fsdp", marks=shards_here)]


def only(folder: Path) -> Path:
    (path,) = folder.glob("*/summary.json")
    return path.parent


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    logs = tmp_path_factory.mktemp("alone")
    run = command_line("train.py", *SMALL, f"paths.logs={logs}", "name=one")
    assert run.returncode == 0, run.stderr
    return only(logs / "one")


@pytest.mark.parametrize("trainer", DDP_AND_FSDP)
def test_two_processes_come_to_the_same_numbers(tmp_path: Path, alone: Path, trainer: str) -> None:
    run = command_line("train.py", *SMALL, f"paths.logs={tmp_path}", "name=two", f"trainer={trainer}")
    assert run.returncode == 0, run.stderr
    two = only(tmp_path / "two")
    assert alone.name == two.name
    assert [row["step"] for row in read_metrics(alone)] == [row["step"] for row in read_metrics(two)]
    for one, shared in zip(read_metrics(alone), read_metrics(two), strict=True):
        assert shared == pytest.approx(one, rel=1e-5, nan_ok=True)
    assert not (two / "last.ckpt").exists()
    weights, whole = (torch.load(run_dir / "weights.pt", weights_only=True) for run_dir in (two, alone))
    assert weights.keys() == whole.keys()
    for name, weight in weights.items():
        torch.testing.assert_close(weight, whole[name], rtol=1e-4, atol=1e-5)


@shards_here
def test_a_sharded_run_holds_its_share_and_continues_after_a_kill(tmp_path: Path) -> None:
    command = ["train.py", *SMALL, f"paths.logs={tmp_path}", "trainer=fsdp"]
    command += ["model._target_=tests.sweeps.sharded.ShardedMLP", "trainer.max_steps=100", "clip_norm=1"]
    environment = {**ENVIRONMENT, FOLDER: str(tmp_path)}

    def run(name: str, *knobs: str) -> Command:
        return Command(*command, f"name={name}", *knobs, env=environment)

    gate = Gate(tmp_path)
    killed = run("killed", "checkpoint_seconds=1e-9", *gate.overrides(step=50))
    gate.wait(killed)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    (checkpoint,) = tmp_path.glob("killed/*/last.ckpt")
    state = torch.load(checkpoint, weights_only=True)
    assert state["global_step"] == 49
    assert {type(weight) for weight in state["state_dict"].values()} == {
        torch.Tensor
    }  # whole, for any trainer
    for name in ("killed", "undisturbed"):
        assert run(name).wait() == 0
    assert results(tmp_path / "killed") == results(tmp_path / "undisturbed")
    assert resumed_at(only(tmp_path / "killed")) == [49]
    assert resumed_at(only(tmp_path / "undisturbed")) == []
    held = [[int(word) for word in path.read_text().split()] for path in tmp_path.glob("[0-9]*")]
    assert len(held) == 6
    assert all(0.4 * whole < share < 0.6 * whole for share, whole in held)


TWO_GPUS = {"CUDA_VISIBLE_DEVICES": "0,1"}  # as if they were there


@pytest.mark.parametrize("trainer", ["ddp", "fsdp"])
def test_a_sweep_without_room_for_it_refuses(
    sweep: Callable[..., Sweep], tmp_path: Path, trainer: str
) -> None:
    shared = ("hydra/launcher=local", "hydra.launcher.devices=[0,1]", "hydra.launcher.runs_per_gpu=2")
    for places in ((), shared):
        code, output = sweep("seed=0,1", f"trainer={trainer}", *places, **TWO_GPUS).run()
        assert code == 2
        assert output.splitlines()[-1].startswith(
            "error: trainer.devices=2 trains one run on 2 devices, and this sweep gives each run 1:"
        )
    assert not list(tmp_path.glob("*/*"))


@pytest.mark.parametrize(
    ("knob", "said"),
    [
        ("measures=norms", "error: measures are taken of a whole network, and trainer=fsdp shards it"),
        ("compile=true", "error: compile=true and trainer=fsdp exclude each other"),
    ],
)
def test_what_needs_the_whole_network_is_refused(tmp_path: Path, knob: str, said: str) -> None:
    run = command_line("train.py", *SMALL, f"paths.logs={tmp_path}", "trainer=fsdp", knob)
    assert run.returncode == 2
    assert run.stderr.strip().startswith(said)
    assert not list(tmp_path.iterdir())


def test_a_sweep_gives_each_run_its_two_devices(sweep: Callable[..., Sweep], tmp_path: Path) -> None:
    places = ("hydra/launcher=local", "hydra.launcher.devices=[0,1]", "hydra.launcher.runs_per_gpu=0.5")
    knobs = ("name=d", "seed=0,1", "trainer=ddp", "trainer.accelerator=cpu", *places)
    code, output = sweep(*knobs, **TWO_GPUS).run()
    assert code == 0, output
    seen = [read_json(path)["cuda_visible_devices"] for path in tmp_path.glob("d/*/provenance.json")]
    assert seen == ["0,1", "0,1"]


@pytest.mark.parametrize("trainer", DDP_AND_FSDP)
def test_batch_norm_over_shares_of_a_batch_is_another_run(tmp_path: Path, trainer: str) -> None:
    command = ("train.py", *SMALL, f"paths.logs={tmp_path}", f"trainer={trainer}", "model.norm=batch")
    run = command_line(*command)
    assert run.returncode == 2
    assert run.stderr.strip().startswith(
        "error: BatchNorm over a batch that processes share needs trainer=ddp"
    )
    assert not list(tmp_path.iterdir())
    run = command_line(*command, "trainer.sync_batchnorm=false", "trainer.max_steps=4")
    assert run.returncode == 0, run.stderr
    (summary,) = tmp_path.glob("*/*/summary.json")
    assert read_json(summary)["config"]["trainer.sync_batchnorm"] is False
