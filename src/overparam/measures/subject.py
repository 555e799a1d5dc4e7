"""What a measure is given, and the callback that takes the configured measures of a run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from overparam.data.module import Split
from overparam.randomness import derive_seed
from overparam.runs.summary import Summary
from overparam.training.module import Loss, per_sample_loss


@dataclass(frozen=True)
class Subject:
    """A network, where it came from and what it was trained on.

    A measure is a function of a Subject (and of knobs, which its YAML in configs/measures/ sets) that returns
    named numbers: `measure(subject, **knobs) -> dict[str, float]`. It must leave the networks as they are.
    A number that does not exist for this network or these data is NaN.
    """

    net: nn.Module  # [N, *input_shape] -> [N, K], in eval mode
    initial: nn.Module  # the same network at step 0, in eval mode
    train: Split  # with the labels trained on
    test: Split  # with clean labels
    loss: Loss
    held_out: Split | None = None  # samples kept from training, with data.held_out

    def mean_loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the training loss, a scalar, of outputs [N, K]."""
        return per_sample_loss(self.loss, outputs, y).mean()

    def inputs(self, split: Split, samples: int | None = None) -> Tensor:
        """Return the first `samples` inputs of a split (all if None) in the network's dtype."""
        return split.inputs(slice(samples)).to(next(self.net.parameters()).dtype)


Measure = Callable[[Subject], dict[str, float]]


class Measures(L.Callback):
    """Takes the configured measures, at the end of training or at every evaluation, into metrics.csv.

    They are taken in eval mode, in full precision, on random numbers of their own, so that the training they
    look at is the same, bit for bit, as without them. Without measures there is no such callback and no cost.

    Args:
        at_end: measures of the trained network, by the name of their config.
        at_evaluations: measures of every evaluated step, the last included.
        initial: the network at step 0.
        steps: the evaluated steps.
        seed: root of the stream "measures", for those that sample.
    """

    def __init__(
        self,
        at_end: Mapping[str, Measure],
        at_evaluations: Mapping[str, Measure],
        initial: nn.Module,
        steps: set[int],
        seed: int,
    ) -> None:
        self.at_end, self.at_evaluations = at_end, at_evaluations
        self.initial, self.steps, self.seed = initial, steps, seed

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Measure the initial network, if asked to."""
        if trainer.global_step == 0:
            self._at(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Measure if the chunk ended at one of the steps."""
        self._at(trainer, pl_module)

    def _at(self, trainer: L.Trainer, module: Any) -> None:
        measures = dict(self.at_evaluations) if trainer.global_step in self.steps else {}
        if trainer.global_step == trainer.max_steps:
            measures |= self.at_end
        if not measures:
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        module.eval()
        initial = self.initial.to(module.device).eval()
        subject = Subject(module.net, initial, data.train, data.test, module.loss, data.held_out)
        row = take(measures, subject, derive_seed(self.seed, "measures", trainer.global_step))
        module.train()
        for logger in trainer.loggers:
            logger.log_metrics(row, step=trainer.global_step)


def take(measures: Mapping[str, Measure], subject: Subject, seed: int) -> dict[str, float]:
    """Return what all the measures say about `subject`, as one row.

    Raises:
        ValueError: if two measures, or a measure and the summary of a run, use one name.
    """
    row: dict[str, float] = {}
    reserved = {field.name for field in fields(Summary)}
    with torch.random.fork_rng(), torch.enable_grad():
        for name, measure in measures.items():
            torch.manual_seed(seed)
            values = measure(subject)
            if taken := (row.keys() | reserved) & values.keys():
                raise ValueError(f"measures.{name} returns {', '.join(sorted(taken))}: that name is taken")
            row |= values
    return row
