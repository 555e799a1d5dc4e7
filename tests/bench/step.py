"""(b) One optimizer step of a single run, against a raw loop on the same network and data."""

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import Timer
from omegaconf import DictConfig

from overparam.training.build import assemble, build_trainer
from overparam.training.checkpoint import TimedCheckpoint
from overparam.training.fused import may_fuse
from tests.bench.pairs import ACCELERATOR, DEVICE, Result, clock, middle, paired, ratio
from tests.conftest import compose_config

RESNET = ("model=preact_resnet18", "model.blocks=[2,2,2,2]")
CASES: dict[str, tuple[tuple[str, ...], int]] = {  # overrides, and steps a repeat
    "MLP width 8": (("model.width=8",), 200),
    "MLP width 64": (("model.width=64",), 200),
    "MLP width 512": (("model.width=512",), 200),
    "PreAct-ResNet18 k=2": ((*RESNET, "model.width=2"), 20),
    "PreAct-ResNet18 k=16": ((*RESNET, "model.width=16"), 20),
}


def raw(cfg: DictConfig, steps: int) -> float:
    """Train in a loop as it is written by hand."""
    parts = assemble(cfg)
    data = parts.data
    data.setup()
    net, x, y = parts.build_module().net.to(DEVICE), data.train.inputs().to(DEVICE), data.train.y.to(DEVICE)
    optimizer = parts.optimizer(net.parameters())
    order = torch.randperm(len(x), device=DEVICE)
    started = clock()
    for step in range(steps):
        start = step * data.batch_size % (len(x) - data.batch_size)
        index = order[start : start + data.batch_size]
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x[index]), y[index]).backward()
        optimizer.step()
    return clock() - started


def lab(cfg: DictConfig, steps: int) -> float:
    """Train with what a run has around its steps, evaluation apart."""
    parts, watch = assemble(cfg), _Watch()
    with tempfile.TemporaryDirectory() as folder:
        callbacks = [Timer(), TimedCheckpoint(Path(folder) / "last.ckpt", 60, []), watch]
        trainer = build_trainer(cfg, parts.data, callbacks=callbacks, logger=False, default_root_dir=folder)
        module = parts.build_module()
        if may_fuse(cfg, module, parts.data, [], trainer):  # as a run does
            module.automatic_optimization, parts.data.fused = False, True
        trainer.fit(module, datamodule=parts.data)
    return watch.seconds


class _Watch(L.Callback):
    """Times training without its start-up."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.started = clock()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.seconds = clock() - self.started


WAYS: dict[str, Callable[[DictConfig, int], float]] = {"raw loop": raw, "lab": lab}


def run(short: bool) -> Result:
    """Time a step every way; the ratios are to the raw loop."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    others = [way for way in WAYS if way != "raw loop"]
    table = [
        f"| one step, batch 128 | parameters | raw loop | {' | '.join(f'{way} / raw' for way in others)} |",
        "|---|---|---|" + "---|" * len(others),
    ]
    result = Result(table, "One optimizer step", "parameters")
    for case, (overrides, steps) in CASES.items():
        steps = max(steps // 10, 2) if short else steps
        batch = ("logger=local", ACCELERATOR, "data.batch_size=128", f"trainer.max_steps={steps}")
        cfg = compose_config(*batch, *overrides)
        times = paired(WAYS, lambda way, c=cfg, n=steps: WAYS[way](c, n) / n, 1 if short else 15)  # type: ignore[misc]
        ratios = [f"{ratio(times, way, 'raw loop'):.2f}" for way in others]
        params = assemble(cfg).params
        cells = [case, f"{params:,}", f"{1e3 * middle(times, 'raw loop'):.2f} ms", *ratios]
        table.append("| " + " | ".join(cells) + " |")
        for way in WAYS:
            result.add(f"{case.partition(' ')[0]}, {way}", params, middle(times, way))
    return result
