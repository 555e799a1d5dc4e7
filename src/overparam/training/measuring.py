"""The configured measures of a run, at its evaluations and at its end."""

import copy
from functools import cached_property
from typing import Any

import lightning as L
import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from overparam.data.module import Split
from overparam.data.streaming import StreamSplit
from overparam.machine import has_float64
from overparam.measures.subject import Measure, Subject, run_measures
from overparam.randomness import derive_seed
from overparam.training.build import Parts, network_of
from overparam.training.evaluation import evaluate, evaluating


class RunMeasures:
    """Takes a run's measures; what goes wrong with one is NaN, and a warning of the run.

    They are taken on the device that trained, or on the CPU if that has no float64.

    Args:
        parts: the run's.
        cfg: its config.
        warnings: where to say what went wrong.
    """

    def __init__(self, parts: Parts, cfg: DictConfig, warnings: list[str]) -> None:
        self.parts, self.seed, self.warnings = parts, cfg.seed, warnings

    @cached_property
    def initial(self) -> nn.Module:
        """The network at step 0: the stream "init" gives the same weights again."""
        return network_of(self.parts.build_module()).eval()

    def at_evaluation(self, trainer: L.Trainer, module: Any) -> dict[str, float]:
        """Return what the measures of every evaluation say."""
        return self._take(self.parts.measures["evaluations"], module, trainer.global_step)

    def at_end(self, module: Any, step: int) -> dict[str, float]:
        """Return what the measures of the trained network say."""
        return self._take(self.parts.measures["end"], module, step)

    def _take(self, measures: dict[str, Measure], module: Any, step: int) -> dict[str, float]:
        if not measures:
            return {}
        loss = self.parts.loss
        splits = {
            name: split.held() if isinstance(split, StreamSplit) else split
            for name, split in self.parts.data.splits().items()
        }

        def forward(x: Tensor) -> Tensor:
            return net(x.to(next(net.parameters()).dtype))

        def on_split(split: Split, batch_size: int) -> dict[str, float]:
            return evaluate(forward, split, loss, batch_size)

        net = network_of(module)
        with evaluating(module):
            if not has_float64(next(net.parameters()).device):
                net = copy.deepcopy(net).cpu()
                splits = {name: split.to(torch.device("cpu")) for name, split in splits.items()}
            subject = Subject(
                *(net, self.initial.to(next(net.parameters()).device), splits["train"], splits["test"], loss),
                held_out=splits.get("val"),
                evaluate=on_split,
            )
            row, failures = run_measures(measures, subject, derive_seed(self.seed, "measures", step))
        self.warnings += [failure for failure in failures if failure not in self.warnings]
        return row
