"""How the measured side of a closed form is trained: a run of the lab, or its networks, losses and optimizers alone."""

import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from overparam.paths import CONFIGS
from overparam.runs.identity import run_directory
from overparam.runs.metrics import read_metrics
from overparam.training.build import resolve
from overparam.training.objective import Loss, mean_loss
from overparam.training.run import train


def history(*overrides: str) -> list[dict[str, Any]]:
    """Train one run of the lab on the CPU, and return its metrics, a row for each evaluation.

    Args:
        overrides: what the command line would say. The run's directory is deleted afterwards.
    """
    with tempfile.TemporaryDirectory() as logs, initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose("train", [*overrides, f"paths.logs={logs}", "logger=local", "trainer.accelerator=cpu"])
        train(cfg)
        return read_metrics(run_directory(resolve(cfg)))


def configured(optimizer: str, **knobs: Any) -> Callable[..., torch.optim.Optimizer]:
    """Return what makes the optimizer of a file of configs/optimizer/, with other values for some of its knobs."""
    node = OmegaConf.merge(OmegaConf.load(CONFIGS / "optimizer" / f"{optimizer}.yaml"), knobs)
    make: Callable[..., torch.optim.Optimizer] = instantiate(node)
    return make


def descent(
    net: nn.Module,
    x: Tensor,
    y: Tensor,
    loss: Loss,
    optimizer: Callable[..., torch.optim.Optimizer] | torch.optim.Optimizer,
    steps: int,
) -> Iterator[tuple[int, float]]:
    """Train `net` in place by full batches; after every step yield the step and the loss before it."""
    trained = [p for p in net.parameters() if p.requires_grad]
    updates = optimizer if isinstance(optimizer, torch.optim.Optimizer) else optimizer(trained)
    for step in range(1, steps + 1):
        updates.zero_grad()
        value = mean_loss(loss, net(x), y)
        value.backward()
        updates.step()
        yield step, value.item()
