"""What a measure is given, and how the measures of a run are taken."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from overparam.data.module import Split
from overparam.randomness import drawing
from overparam.runs.summary import Summary

log = logging.getLogger(__name__)

Evaluate = Callable[[Split, int], dict[str, float]]


@dataclass(frozen=True)
class Subject:
    """A network, where it came from and what it was trained on.

    A measure is a function of a Subject (and of knobs, which its YAML in configs/measures/ sets) that returns
    named numbers: `measure(subject, **knobs) -> dict[str, float]`. It must leave the networks as they are.
    A number that does not exist for this network or these data is NaN.
    """

    net: nn.Module  # [N, *input_shape] -> [N, K], in eval mode
    initial: nn.Module  # the same network at step 0, in eval mode
    train: Split  # with the labels trained on; of data that streams a sample
    test: Split  # with clean labels; likewise
    loss: Callable[[Tensor, Tensor], Tensor]  # from outputs [N, K] and y to losses [N]
    held_out: Split | None = None  # samples kept from training, with data.held_out
    evaluate: Evaluate | None = None  # loss and error of `net` on a split, so many samples at a time

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return tuple(self.train.stored.shape[1:])

    def mean_loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the training loss, a scalar, of outputs [N, K]."""
        return self.loss(outputs, y).mean()

    def inputs(self, split: Split, samples: int | None = None) -> Tensor:
        """Return the first `samples` inputs of a split (all if None) in the network's dtype."""
        return split.inputs(slice(samples)).to(next(self.net.parameters()).dtype)


Measure = Callable[[Subject], dict[str, float]]


class MetricMeasure:
    """A torchmetrics metric of a network's outputs on the test set, as a measure.

    Args:
        name: what its value is called; of a metric with several, the beginning of their names.
        metric: takes outputs [N, K] and y in `update`.
    """

    def __init__(self, name: str, metric: Any) -> None:
        self.name, self.metric = name, metric

    @torch.no_grad()
    def __call__(self, subject: Subject) -> dict[str, float]:
        """Return the metric's value, or values."""
        metric = self.metric.to(subject.test.y.device)
        metric.reset()
        dtype = next(subject.net.parameters()).dtype
        for x, y, _, _ in subject.test.batches(2048):
            metric.update(subject.net(x.to(dtype)), y)
        value = metric.compute()
        if isinstance(value, Mapping):
            return {f"{self.name}_{key}": float(part) for key, part in value.items()}
        if value.ndim:
            return {f"{self.name}_{i}": float(part) for i, part in enumerate(value)}
        return {self.name: float(value)}


def run_measures(
    measures: Mapping[str, Measure], subject: Subject, seed: int
) -> tuple[dict[str, float], list[str]]:
    """Return what all measures say about `subject`, as one row, and what went wrong.

    They are taken in full precision, on random numbers of their own, so that a training they look at is the same, bit
    for bit, as without them. One that fails is NaN under its own name.

    Args:
        measures: by the name of their config.
        subject: what they are given.
        seed: of the random numbers that each begins with.
    """
    row: dict[str, float] = {}
    failures = []
    reserved = {field.name for field in fields(Summary)}
    for name, measure in measures.items():
        with drawing(seed, subject.train.y.device), torch.enable_grad():
            try:
                values = measure(subject)
                if taken := (row.keys() | reserved) & values.keys():
                    raise ValueError(f"it returns {', '.join(sorted(taken))}: that name is taken")
            except Exception as error:
                values = {name: float("nan")}
                failures.append(
                    f"measures.{name} failed: {type(error).__name__}: {' '.join(str(error).split())}"
                )
                log.warning(failures[-1])
        row |= values
    return row, failures
