"""A finished run, loaded again: its network, its data, where it started."""

from dataclasses import dataclass
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from overparam.assemble import ConfigError, Parts, assemble
from overparam.data.module import Split
from overparam.models.module import Loss, per_sample_loss
from overparam.tracking.summary import SUMMARY
from overparam.train import WEIGHTS


@dataclass(frozen=True)
class FinishedRun:
    """A trained network in eval mode, with what it was trained on."""

    identity: str
    cfg: DictConfig
    parts: Parts
    net: nn.Module
    train: Split
    test: Split
    loss: Loss

    def new_net(self) -> nn.Module:
        """Return the network at step 0, in eval mode."""
        return self.parts.build_module().net.eval()


def load_run(run_dir: Path) -> FinishedRun:
    """Load a finished run.

    Raises:
        ConfigError: if the run is not finished, or its weights are gone.
    """
    for name in (SUMMARY, WEIGHTS, "config.yaml"):
        if not (run_dir / name).exists():
            raise ConfigError(f"{run_dir} has no {name}: a study needs finished runs that kept their weights")
    cfg = OmegaConf.load(run_dir / "config.yaml")
    assert isinstance(cfg, DictConfig)
    parts = assemble(cfg)
    parts.data.setup()
    module = parts.build_module()
    module.net.load_state_dict(torch.load(run_dir / WEIGHTS, map_location="cpu", weights_only=True))
    data = parts.data
    return FinishedRun(run_dir.name, cfg, parts, module.net.eval(), data.train, data.test, module.loss)


@torch.no_grad()
def loss_and_error(net: nn.Module, split: Split, loss: Loss) -> tuple[float, float]:
    """Return mean loss and error rate (squared error for regression) of a network in eval mode."""
    outputs = net(split.x.to(next(net.parameters()).dtype))
    return per_sample_loss(loss, outputs, split.y).mean().item(), error(outputs, split.y)


def error(outputs: Tensor, y: Tensor) -> float:
    """Return the misclassification rate of outputs [N, K], or the squared error for floating targets."""
    if y.is_floating_point():
        return (outputs - y.to(outputs.dtype)).square().mean().item()
    return (outputs.argmax(1) != y).double().mean().item()
