"""(g) On a GPU: a sweep as packs, by hand, as plain Lightning, a process for each run; and a step as a CUDA graph.

Runs without a GPU too, where it shows that it runs; its table is for the day there is one.
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import torch
from omegaconf import DictConfig

from overparam.training.build import assemble
from tests.bench import sweep
from tests.bench.pairs import ACCELERATOR, DEVICE, Result, clock, middle, paired, ratio
from tests.bench.step import CASES, raw
from tests.conftest import compose_config

PROCESSES = 8  # runs at once on one GPU, each a process with a context of its own
CONVOLUTIONS = ("model=cnn3", "data.batch_size=128")
WORKLOADS = (
    sweep.Workload("MLPs, digits, batch 128", ("data.batch_size=128",), sweep.SMALL, 5, 500),
    sweep.Workload("MLPs, 784 dimensions, batch 128", sweep.TEACHER, sweep.SMALL, 5, 500),
    sweep.Workload("CNN3, digits, batch 128", CONVOLUTIONS, (8, 16), 10, 300),
)


def processes(workload: sweep.Workload, folder: Path) -> None:
    """Train every run by the loop by hand in a process of its own; starting the processes is not counted."""
    started = clock()
    cfgs = workload.configs(folder, "off")
    with ProcessPoolExecutor(min(PROCESSES, len(cfgs)), get_context("spawn")) as pool:
        list(pool.map(by_hand, [_of_one_step(cfg) for cfg in cfgs[:PROCESSES]]))
        sweep.uncounted += clock() - started
        list(pool.map(by_hand, cfgs))


def _of_one_step(cfg: DictConfig) -> DictConfig:
    warm = cfg.copy()
    warm.trainer.max_steps = 1
    return warm


def by_hand(cfg: DictConfig) -> None:
    """Train one run by the loop by hand."""
    torch.set_num_threads(1)
    parts = assemble(cfg)
    parts.data.setup()
    sweep.loop(cfg, parts.build_module().net.to(DEVICE), parts.data)


WAYS: dict[str, sweep.Way] = {
    "packed": sweep.packed,
    "by hand": sweep.by_hand,
    "plain Lightning": sweep.plain_lightning,
    "a process for each run": processes,
}


def graphed(cfg: DictConfig, steps: int) -> float:
    """Train as `step.raw` does, with a step captured once as a CUDA graph and replayed."""
    parts = assemble(cfg)
    data = parts.data
    data.setup()
    net = parts.build_module().net.to(DEVICE)
    x, y = data.train.inputs().to(DEVICE), data.train.y.to(DEVICE)
    optimizer = torch.optim.Adam(net.parameters(), lr=cfg.optimizer.get("lr", 1e-3), capturable=True)
    index = torch.arange(data.batch_size, device=DEVICE)

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x[index]), y[index]).backward()
        optimizer.step()

    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):  # a capture must not be the first use of anything
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    order = torch.randperm(len(x), device=DEVICE)
    started = clock()
    for i in range(steps):
        start = i * data.batch_size % (len(x) - data.batch_size)
        index.copy_(order[start : start + data.batch_size])
        graph.replay()
    return clock() - started


def graphs(short: bool) -> list[str]:
    """Return how much sooner the steps of the part "step" are as CUDA graphs."""
    table = ["| one step, batch 128 | raw loop | CUDA graph / raw |", "|---|---|---|"]
    ways = {"raw loop": raw, "CUDA graph": graphed}
    for case, (overrides, steps) in CASES.items():
        cfg = compose_config("logger=local", ACCELERATOR, "data.batch_size=128", *overrides)
        times = paired(ways, lambda way, c=cfg, n=steps: ways[way](c, n) / n, 1 if short else 5)  # type: ignore[misc]
        slower = ratio(times, "CUDA graph", "raw loop")
        table.append(f"| {case} | {1e3 * middle(times, 'raw loop'):.2f} ms | {slower:.2f} |")
    return table


def run(short: bool) -> Result:
    """Time every workload every way; the ratios are to the packed sweep."""
    name = torch.cuda.get_device_name() if DEVICE.type == "cuda" else "no GPU: these are the CPU's"
    others = [way for way in WAYS if way != "packed"]
    table = [f"| {name} | packed | {' | '.join(others)} |", "|---|---|" + "---|" * len(others)]
    for workload in WORKLOADS:
        if short:
            workload = replace(workload, widths=workload.widths[:2], seeds=2, steps=20)
        times = paired(WAYS, lambda way, w=workload: seconds(way, w), 1 if short else 2)  # type: ignore[misc]
        ratios = [f"{ratio(times, way, 'packed'):.1f}x" for way in others]
        table.append(" | ".join([f"| {workload.name}", f"{middle(times, 'packed'):.1f} s", *ratios]) + " |")
    return Result([*table, "", *graphs(short)] if DEVICE.type == "cuda" else table)


def seconds(way: str, workload: sweep.Workload) -> float:
    """Return the wall time of the sweep, one way."""
    return sweep.seconds(way, workload, WAYS)
