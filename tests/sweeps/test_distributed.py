"""One run on two processes (gloo), alone and in a sweep."""

from collections.abc import Callable
from pathlib import Path

import pytest

from overparam.tracking.metrics_file import read_metrics
from tests.conftest import command_line, read_json
from tests.sweeps.conftest import Sweep

SMALL = (
    "data.n_train=96",
    "data.batch_size=32",
    "trainer.max_steps=40",
    "trainer.accelerator=cpu",
    "logger=local",
)


def only(folder: Path) -> Path:
    (path,) = folder.glob("*/summary.json")
    return path.parent


def test_two_processes_come_to_the_same_numbers(tmp_path: Path) -> None:
    for name, extra in (("one", ()), ("two", ("trainer=ddp",))):
        run = command_line("train.py", *SMALL, f"paths.logs={tmp_path}", f"name={name}", *extra)
        assert run.returncode == 0, run.stderr
    one, two = only(tmp_path / "one"), only(tmp_path / "two")
    assert one.name == two.name
    assert [row["step"] for row in read_metrics(one)] == [row["step"] for row in read_metrics(two)]
    for alone, shared in zip(read_metrics(one), read_metrics(two), strict=True):
        assert shared == pytest.approx(alone, rel=1e-5, nan_ok=True)
    assert not (two / "last.ckpt").exists()


def test_a_sweep_without_room_for_it_refuses(sweep: Callable[..., Sweep], tmp_path: Path) -> None:
    code, output = sweep("seed=0,1", "trainer=ddp").run()
    assert code == 2
    assert output.splitlines()[-1].startswith(
        "error: trainer.devices=2 trains one run on 2 devices, and this sweep"
    )
    assert not list(tmp_path.glob("*/*"))


def test_a_sweep_gives_each_run_its_two_devices(sweep: Callable[..., Sweep], tmp_path: Path) -> None:
    places = ("hydra/launcher=local", "hydra.launcher.devices=[0,1]", "hydra.launcher.runs_per_gpu=0.5")
    code, output = sweep("name=d", "seed=0,1", "trainer=ddp", "trainer.accelerator=cpu", *places).run()
    assert code == 0, output
    seen = [read_json(path)["cuda_visible_devices"] for path in tmp_path.glob("d/*/provenance.json")]
    assert seen == ["0,1", "0,1"]
