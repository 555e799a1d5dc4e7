"""The CPU threads of a pack: as many as its step has work for, of the cores that its job has."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from overparam.packs.record import read_packs
from overparam.packs.threads import WORTH_A_THREAD, pack_threads
from overparam.sweeps.slots import cpu_count
from tests.command_line import command_line


def runs(work: float, count: int = 4) -> list[Any]:
    """Runs of so many multiply-adds a step in all."""
    data = SimpleNamespace(batch_size=32)
    return [SimpleNamespace(params=int(work) // 32 // count, data=data) for _ in range(count)]


@pytest.mark.parametrize(
    ("work", "cores", "given"),
    [(1000, 8, 1), (1.9 * WORTH_A_THREAD, 8, 1), (3.5 * WORTH_A_THREAD, 8, 3), (1e12, 8, 8), (1e12, 0, 1)],
)
def test_a_pack_has_threads_for_its_work(work: float, cores: int, given: int) -> None:
    assert pack_threads(runs(work), "cpu", cores) == given


def test_it_has_one_beside_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert (pack_threads(runs(1e12), "gpu", 8), pack_threads(runs(1e12), "cpu", 8)) == (1, 8)


def test_a_sweep_records_them_and_a_run_alone_has_one(tmp_path: Any) -> None:
    sweep = ["-m", "name=wide", "logger=local", "data.n_train=120", "model.depth=1", "trainer.max_steps=2"]
    for widths in ("2048,2049", "2050"):
        done = command_line("train.py", *sweep, f"model.width={widths}", f"paths.logs={tmp_path}")
        assert done.returncode == 0, done.stderr
    pack, alone = read_packs(tmp_path / "wide")
    # 64 pixels, 10 classes, full batches
    work = 120 * sum(width * (64 + 1) + 10 * (width + 1) for width in (2048, 2049))
    assert pack.cpu_threads == min(work // WORTH_A_THREAD, cpu_count())
    assert alone.cpu_threads == 1
