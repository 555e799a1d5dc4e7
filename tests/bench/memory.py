"""The peak memory of a pack against its estimate, each in a process of its own: python -m tests.bench.memory CASE."""

import gc
import json
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from overparam.packs.memory import footprint
from overparam.packs.pack import train_pack
from overparam.training.build import assemble
from tests.bench.pairs import ACCELERATOR, Result
from tests.conftest import ROOT, compose_config

TEACHER = ("data=teacher", "data.input_dim=784", "data.num_outputs=10", "data.n_train=4000")
CASES: dict[str, tuple[tuple[str, ...], int]] = {  # overrides, and members
    "MLP width 512, 784 dimensions, batch 128": ((*TEACHER, "data.batch_size=128", "model.width=512"), 20),
    "MLP width 256, digits, full batch": (("model.width=256",), 40),
    "CNN3 width 16, digits, full batch": (("model=cnn3", "model.width=16"), 5),
}


def measure(overrides: tuple[str, ...], members: int) -> tuple[float, float]:
    """Return the estimate of a pack and what training it adds to this process at its peak, in bytes."""

    def train(count: int, folder: str, *more: str) -> float:
        common = ("logger=local", ACCELERATOR, "pack=all", "trainer.max_steps=3", f"paths.logs={folder}")
        cfgs = [compose_config(*common, *overrides, f"seed={seed}", *more) for seed in range(count)]
        sizes = [footprint(assemble(cfg), cfg.trainer.precision) for cfg in cfgs]
        errors = [result for result in train_pack(cfgs) if isinstance(result, Exception)]
        assert not errors, errors
        return sum(size.model + size.data for size in sizes)

    with tempfile.TemporaryDirectory() as folder:
        train(
            2, folder, "data.n_train=200", "name=warm", "model.width=2"
        )  # what a first pack leaves is not its own
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            return train(members, folder), torch.cuda.max_memory_allocated() - before
        before = _status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # from here on a new peak
        return train(members, folder), _status("VmHWM") - before


def _status(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith(key))


def run(short: bool) -> Result:
    """Measure every case."""
    table = ["| a pack's memory | members | estimate | peak / estimate |", "|---|---|---|---|"]
    for case, (_, members) in list(CASES.items())[: 1 if short else None]:
        call = [sys.executable, "-m", "tests.bench.memory", case]
        output = subprocess.run(call, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        estimate, peak = json.loads(output.splitlines()[-1])
        table.append(f"| {case} | {members} | {estimate / 2**20:.0f} MiB | {peak / estimate:.2f} |")
    return Result(table)


if __name__ == "__main__":
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    print(json.dumps(measure(*CASES[sys.argv[1]])))
