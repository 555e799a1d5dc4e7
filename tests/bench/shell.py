"""(f) What a person gets: a sweep's command, from the shell and with everything on, against loops by hand.

The lab's command starts, plans, trains, writes its files and W&B's (offline) and makes the report; a loop by hand only
trains and evaluates. Both are whole processes, in turn.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from overparam.training.evaluation import log_spaced_steps
from tests.bench import shares, sweep
from tests.bench.pairs import Result, middle, paired, ratio
from tests.conftest import ROOT

CORES = os.cpu_count() or 1
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Grid:
    """A sweep over widths and seeds, for the lab and by hand."""

    workload: sweep.Workload
    data: str  # of `tests.bench.bare`
    n_train: int
    batch_size: int | None

    def command(self, logs: str, *more: str) -> list[str]:
        """Return the lab's command."""
        work = self.workload
        grid = [f"model.width={','.join(map(str, work.widths))}", f"seed=range({work.seeds})"]
        common = ["data.label_noise=0.2", "optimizer.lr=1e-2", f"trainer.max_steps={work.steps}"]
        return [
            *(sys.executable, "scripts/train.py", "-m", *common, *work.overrides, *grid, *more),
            *("logger.wandb.mode=offline", f"paths.logs={logs}"),
        ]

    def by_hand(self, seeds: list[int]) -> list[str]:
        """Return the command of the loop by hand over some of the seeds."""
        given = {
            **{"data": self.data, "n_train": self.n_train, "batch_size": self.batch_size, "seeds": seeds},
            **{"widths": self.workload.widths, "steps": self.workload.steps},
            "evaluated": log_spaced_steps(self.workload.steps, 10),
        }
        return [sys.executable, "tests/bench/bare.py", json.dumps(given)]


FLAGSHIP = (3, 6, 10, 16, 20, 24, 32, 48, 64, 128, 256, 512)
BATCHES, _, WIDE_INPUT = sweep.WORKLOADS
GRIDS = (
    Grid(sweep.Workload("digits, full batch, widths 3..512", (), FLAGSHIP, 5, 1000), "digits", 1200, None),
    Grid(BATCHES, "digits", 1200, 128),
    Grid(WIDE_INPUT, "teacher", 4000, 128),
)
Way = Callable[[Grid, str], list[list[str]]]  # the commands that run at once, given where to write
WAYS: dict[str, Way] = {
    "one process": lambda grid, logs: [grid.command(logs)],
    "hydra/launcher=local": lambda grid, logs: [grid.command(logs, "hydra/launcher=local")],
    "by hand": lambda grid, logs: [grid.by_hand(list(range(grid.workload.seeds)))],
    "by hand, a process a core": lambda grid, logs: [
        grid.by_hand(list(range(core, grid.workload.seeds, CORES))) for core in range(CORES)
    ],
}


def seconds(way: str, grid: Grid) -> float:
    """Return the wall time of one way, of all its processes together."""
    with tempfile.TemporaryDirectory() as logs:
        started = time.perf_counter()
        processes = [
            subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **(ONE_THREAD if "bare.py" in command[1] else {})},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for command in WAYS[way](grid, logs)
        ]
        codes = [process.wait() for process in processes]
        assert not any(codes), (way, codes)
        return time.perf_counter() - started


def run(short: bool) -> Result:
    """Time every way of every sweep; beside it, the matrix products of its training and evaluation alone."""
    grids = [replace(GRIDS[0], workload=replace(GRIDS[0].workload, widths=(3, 6), seeds=2, steps=50))]
    names = ("one process", "`hydra/launcher=local`", "by hand / it", f"by hand in {CORES} processes / local")
    names += (f"matrix products alone, {sweep.THREADS} threads",)
    table = [f"| from the shell, everything on | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for grid in grids if short else GRIDS:
        times = paired(WAYS, lambda way, g=grid: seconds(way, g), 1 if short else 2)  # type: ignore[misc]
        cells = [
            f"{middle(times, 'one process'):.0f} s",
            f"{middle(times, 'hydra/launcher=local'):.0f} s",
            f"{ratio(times, 'by hand', 'one process'):.1f}x",
            f"{ratio(times, 'by hand, a process a core', 'hydra/launcher=local'):.1f}x",
            f"{shares.products(grid.workload):.0f} s",
        ]
        table.append(f"| {grid.workload.name} | {' | '.join(cells)} |")
    return Result(table)
