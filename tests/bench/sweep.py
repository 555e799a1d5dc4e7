"""(a) A whole sweep of MLPs: packed, unpacked, a raw loop written by hand, and Lightning as templates use it."""

import copy
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import lightning as L
import torch
from omegaconf import DictConfig
from torch.utils.data import DataLoader, TensorDataset

from overparam.data.module import PoolDataModule
from overparam.packs.grouping import plan
from overparam.packs.pack import train_pack
from overparam.packs.speeds import Speeds
from overparam.training.build import assemble
from overparam.training.evaluation import log_spaced_steps
from overparam.training.run import train
from tests.bench.pairs import ACCELERATOR, DEVICE, Result, clock, middle, paired, ratio
from tests.conftest import compose_config


@dataclass(frozen=True)
class Workload:
    """A sweep over widths and seeds."""

    name: str
    overrides: tuple[str, ...]
    widths: tuple[int, ...]
    seeds: int
    steps: int

    def configs(self, folder: Path, packing: str) -> list[DictConfig]:
        base = compose_config(
            *("logger=local", ACCELERATOR, f"pack={packing}", f"paths.logs={folder}"),
            *(f"trainer.max_steps={self.steps}", "data.label_noise=0.2", "optimizer.lr=1e-2"),
            *self.overrides,
            *([f"cpu_threads={THREADS}"] if packing == "auto" else []),
        )
        cfgs = []
        for width in self.widths:
            for seed in range(self.seeds):
                cfg = copy.deepcopy(base)
                cfg.model.width, cfg.seed = width, seed
                cfgs.append(cfg)
        return cfgs


uncounted = 0.0  # seconds that are not the workload's
SPEEDS = Speeds()  # what the first repeat measures on a GPU, as a lab's first sweep does

SMALL = (3, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64)
TEACHER = (
    *("data=teacher", "data.input_dim=784", "data.num_outputs=10", "data.n_train=4000"),
    *("data.test_size=1000", "data.batch_size=128"),
)
WORKLOADS = (
    Workload("digits, batch 128", ("data.batch_size=128",), SMALL, 5, 1000),
    Workload("digits, full batch of 1200", (), SMALL, 5, 1000),
    Workload("784 dimensions, batch 128", TEACHER, SMALL, 5, 1000),
)
# Of the loop by hand, of plain Lightning and of packs; the lab's single runs have the one of the config.
THREADS = min(2, os.cpu_count() or 1)


def packed(workload: Workload, folder: Path) -> None:
    """The lab's way: what the sweeper plans, from one of the runs that differ only in seeds, run by one process."""
    cfgs = workload.configs(folder, "auto")
    parts = {cfg.model.width: assemble(cfg) for cfg in cfgs[:: workload.seeds]}
    runs = [(cfg, parts[cfg.model.width]) for cfg in cfgs]
    packs, _ = plan(runs, "auto", speeds=SPEEDS)
    together = {index for pack in packs for index in pack}
    for pack in packs:
        train_pack([runs[index][0] for index in pack])
    for index, (cfg, _) in enumerate(runs):
        if index not in together:
            train(cfg)


def unpacked(workload: Workload, folder: Path) -> None:
    """The lab's single runs, one after the other."""
    for cfg in workload.configs(folder, "off"):
        train(cfg)


def prepared(
    workload: Workload, folder: Path
) -> Iterator[tuple[DictConfig, torch.nn.Module, PoolDataModule]]:
    """Networks and data for those that do not take them from configs; what that costs is not counted."""
    global uncounted
    for cfg in workload.configs(folder, "off"):
        started = clock()
        parts = assemble(cfg)
        net, data = parts.build_module().net, parts.data
        data.setup()
        uncounted += clock() - started
        yield cfg, net.to(DEVICE), data


def by_hand(workload: Workload, folder: Path) -> None:
    """The loop a careful person writes: data as tensors, no DataLoader, evaluation at the same steps."""
    for cfg, net, data in prepared(workload, folder):
        loop(cfg, net, data)


def loop(cfg: DictConfig, net: torch.nn.Module, data: PoolDataModule) -> None:
    """Train one run as it is written by hand."""
    x, y = data.train.inputs().to(DEVICE), data.train.y.to(DEVICE)
    test_x, test_y = data.test.inputs().to(DEVICE), data.test.y.to(DEVICE)
    optimizer = torch.optim.Adam(net.parameters(), lr=cfg.optimizer.lr)
    steps, order = cfg.trainer.max_steps, torch.randperm(len(x), device=DEVICE)
    evaluated, start = set(log_spaced_steps(steps, 10)), 0
    for step in range(1, steps + 1):
        if data.batch_size == len(x):
            batch, target = x, y
        else:
            if start + data.batch_size > len(x):
                start, order = 0, torch.randperm(len(x), device=DEVICE)
            index = order[start : start + data.batch_size]
            start += data.batch_size
            batch, target = x[index], y[index]
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(batch), target).backward()
        optimizer.step()
        if step in evaluated:
            net.eval()
            with torch.no_grad():
                for inputs, labels in ((x, y), (test_x, test_y)):
                    outputs = net(inputs)
                    (outputs.argmax(1) != labels).float().mean().item()
                    torch.nn.functional.cross_entropy(outputs, labels).item()
            net.train()


class Plain(L.LightningModule):
    """The LightningModule of the templates: automatic optimization, a metric logged at each step."""

    def __init__(self, net: torch.nn.Module, lr: float) -> None:
        super().__init__()
        self.net, self.lr = net, lr

    def training_step(self, batch: Sequence[torch.Tensor], batch_idx: int) -> torch.Tensor:
        loss = torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Sequence[torch.Tensor], batch_idx: int) -> None:
        outputs = self.net(batch[0])
        self.log("val/loss", torch.nn.functional.cross_entropy(outputs, batch[1]))
        self.log("val/error", (outputs.argmax(1) != batch[1]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.lr)


def plain_lightning(workload: Workload, folder: Path) -> None:
    """Lightning with DataLoader(TensorDataset), validating once an epoch, as templates do it."""
    for cfg, net, data in prepared(workload, folder):
        loaders = [
            DataLoader(TensorDataset(split.inputs(), split.y), size, shuffle=shuffle)
            for split, size, shuffle in (
                (data.train, data.batch_size, True),
                (data.test, len(data.test), False),
            )
        ]
        trainer = L.Trainer(
            max_steps=workload.steps,
            accelerator="gpu" if DEVICE.type == "cuda" else "cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        trainer.fit(Plain(net, cfg.optimizer.lr), *loaders)


Way = Callable[[Workload, Path], None]
WAYS: dict[str, Way] = {
    "packed": packed,
    "unpacked": unpacked,
    "by hand": by_hand,
    "plain Lightning": plain_lightning,
}


# These ways take their runs one by one: one seed of every fourth width tells what all take.
SAMPLED = ("unpacked", "plain Lightning")


def seconds(way: str, workload: Workload, ways: Mapping[str, Way] | None = None) -> float:
    """Return the wall time of the sweep, one way; of `WAYS` if no others are given."""
    logging.getLogger("overparam").setLevel(logging.ERROR)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(THREADS)
    global uncounted
    uncounted = 0.0
    sample = replace(workload, seeds=1, widths=workload.widths[1::4] or workload.widths[:1])
    measured = sample if way in SAMPLED else workload
    with tempfile.TemporaryDirectory() as folder:
        started = clock()
        (ways or WAYS)[way](measured, Path(folder))
        runs = len(workload.widths) * workload.seeds / (len(measured.widths) * measured.seeds)
        return (clock() - started - uncounted) * runs


def workloads(short: bool) -> list[Workload]:
    """Return the sweeps to measure."""
    if short:
        return [replace(WORKLOADS[0], seeds=2, steps=WORKLOADS[0].steps // 10)]
    return list(WORKLOADS)


def run(short: bool) -> Result:
    """Time every workload every way; the ratios are to the packed sweep, the growth is the first workload's."""
    others = [way for way in WAYS if way != "packed"]
    first = workloads(short)[0]
    sizes = f"widths {first.widths[0]}..{first.widths[-1]} x {first.seeds} seeds, {first.steps} steps"
    table = [f"| {sizes} | packed | {' | '.join(others)} |", "|---|---|" + "---|" * len(others)]
    result = Result(table, f"A sweep of {len(first.widths)} widths", "runs")
    for workload in workloads(short):
        times = paired(WAYS, lambda way, w=workload: seconds(way, w), 1 if short else 3)  # type: ignore[misc]
        ratios = [f"{ratio(times, way, 'packed'):.1f}x" for way in others]
        table.append(" | ".join([f"| {workload.name}", f"{middle(times, 'packed'):.1f} s", *ratios]) + " |")
        if workload == first:
            for seeds in (1,) if short else (1, 2):
                for way in WAYS:
                    result.add(way, len(first.widths) * seeds, seconds(way, replace(workload, seeds=seeds)))
            for way in WAYS:
                result.add(way, len(first.widths) * workload.seeds, middle(times, way))
    return result
