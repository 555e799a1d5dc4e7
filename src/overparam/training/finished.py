"""A finished run, loaded again: its network, its data, where it started."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import ArrayLike
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from overparam.data.module import Split
from overparam.errors import ConfigError, one_line
from overparam.models.pretrained import read_weights
from overparam.runs.damage import CONFIG, DamagedRun, damage, what_is_wrong
from overparam.runs.summary import SUMMARY, WEIGHTS, read_summary
from overparam.training.build import Parts, assemble, network_of
from overparam.training.evaluation import evaluate
from overparam.training.objective import Loss

BATCH = 2048  # samples a forward pass


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
    summary: dict[str, Any]  # what summary.json says

    @torch.no_grad()
    def predict(self, x: Tensor | ArrayLike) -> Tensor:
        """Return the outputs [N, K] of the network in eval mode for inputs [N, *input_shape].

        Images as uint8 are normalized as in training; anything else is given to the network as it is, in the
        network's dtype.
        """
        net, normalization = self.net.eval(), self.train.normalization
        weight = next(net.parameters())

        def outputs(batch: Tensor) -> Tensor:
            if batch.dtype == torch.uint8 and normalization is not None:
                batch = normalization(batch)
            return net(batch.to(weight))

        return torch.cat([outputs(batch) for batch in torch.as_tensor(x).split(BATCH)])

    def new_net(self) -> nn.Module:
        """Return the network at step 0, in eval mode."""
        return network_of(self.parts.build_module()).eval()


def load_run(run_dir: Path) -> FinishedRun:
    """Load a finished run.

    Raises:
        ConfigError: if the run is not finished, or its weights are gone; `DamagedRun` if a file cannot be read.
    """
    if said := damage(run_dir):
        raise DamagedRun(f"{run_dir}: {said}; the command that trained it trains it again")
    for name in (SUMMARY, WEIGHTS, CONFIG):
        if not (run_dir / name).exists():
            raise ConfigError(f"{run_dir} has no {name}: a study needs finished runs that kept their weights")
    cfg, weights = _read(run_dir / CONFIG, OmegaConf.load), _read(run_dir / WEIGHTS, read_weights)
    if not isinstance(cfg, DictConfig):
        raise DamagedRun(f"{run_dir / CONFIG} is damaged: it holds no config")
    cfg.logger = None  # it is not to be opened again
    parts = assemble(cfg)
    parts.data.setup()
    net = network_of(parts.build_module())
    try:
        net.load_state_dict(weights)
    except (ValueError, RuntimeError) as error:  # of another network
        raise ConfigError(f"{run_dir / WEIGHTS} cannot be loaded: {one_line(error)}") from error
    splits, summary = parts.data.splits(), read_summary(run_dir) or {}
    train, test = (s if isinstance(s, Split) else s.held() for s in (splits["train"], splits["test"]))
    return FinishedRun(run_dir.name, cfg, parts, net.eval(), train, test, parts.loss, summary)


def _read(path: Path, read: Callable[[Path], Any]) -> Any:
    try:
        return read(path)
    except Exception as error:  # torch, YAML and OmegaConf have many for what is no such file
        raise DamagedRun(f"{path} is damaged: {what_is_wrong(error)}") from error


def loss_and_error(net: nn.Module, split: Split, loss: Loss) -> tuple[float, float]:
    """Return mean loss and error rate (squared error for regression) of a network in eval mode."""
    dtype = next(net.parameters()).dtype
    found = evaluate(lambda x: net(x.to(dtype)), split, loss, BATCH)
    return found["loss"], found["error"]


def require_same_data(runs: Sequence[FinishedRun], least: int = 2) -> None:
    """Raise `ConfigError` unless these are `least` runs or more on one training set."""
    if len(runs) < least:
        raise ConfigError(
            f"this study compares {least} runs or more that differ in seed alone, and {runs[0].identity} has no "
            "other: fix data.seed and vary seed"
        )
    for run in runs[1:]:
        if not (torch.equal(runs[0].train.x, run.train.x) and torch.equal(runs[0].train.y, run.train.y)):
            raise ConfigError(
                f"{runs[0].identity} and {run.identity} were trained on different data: fix data.seed and vary seed"
            )
