"""(b) One optimizer step of a single run, against a raw loop on the same network and batches."""

import logging
import tempfile
import time
from pathlib import Path

import lightning as L
import torch

from overparam.assemble import assemble, build_trainer
from overparam.models.module import per_sample_loss
from tests.conftest import compose_config

CASES = {
    "MLP width 8, batch 128": ("model.width=8",),
    "MLP width 64, batch 128": ("model.width=64",),
    "MLP width 512, batch 128": ("model.width=512",),
    "PreAct-ResNet18 k=2, batch 128": ("model=preact_resnet18", "model.width=2", "model.blocks=[2,2,2,2]"),
    "PreAct-ResNet18 k=16, batch 128": ("model=preact_resnet18", "model.width=16", "model.blocks=[2,2,2,2]"),
}


def seconds(way: str, case: str, steps: int) -> float:
    """Return the seconds a step takes "alone" in a lab run or in a "raw" loop."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    overrides = ("logger=local", "trainer.accelerator=cpu", "data.batch_size=128", *CASES[case])
    parts = assemble(compose_config(*overrides, f"trainer.max_steps={steps}"))
    data, module = parts.data, parts.build_module()
    if way == "raw":
        data.setup()
        net, x, y = module.net, data.train.inputs(), data.train.y
        optimizer = parts.optimizer(net.parameters())
        order = torch.randperm(len(x))
        started = time.perf_counter()
        for step in range(steps):
            start = step * 128 % (len(x) - 128)
            index = order[start : start + 128]
            optimizer.zero_grad()
            per_sample_loss("cross_entropy", net(x[index]), y[index]).mean().backward()
            optimizer.step()
        return (time.perf_counter() - started) / steps
    cfg = compose_config(*overrides, f"trainer.max_steps={steps}")
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = build_trainer(cfg, callbacks=[clock], logger=False, default_root_dir=Path(folder))
        trainer.fit(module, datamodule=data)
    return clock.seconds / steps


class _Clock(L.Callback):
    """Times training without its start-up."""

    def on_train_start(self, trainer, pl_module):
        self.started = time.perf_counter()

    def on_train_end(self, trainer, pl_module):
        self.seconds = time.perf_counter() - self.started
