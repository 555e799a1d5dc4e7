"""Distillation (Hinton et al. 2015): learning from the outputs of a trained network."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from overparam.errors import ConfigError, counted
from overparam.ranges import PositiveFloat, Share
from overparam.runs.summary import read_summary
from overparam.training.finished import load_run
from overparam.training.module import SupervisedModule
from overparam.training.weights import Weights


class Distillation(SupervisedModule):
    """Minimizes (1 - alpha) l(f(x), y) + alpha T^2 KL(softmax(t(x) / T) || softmax(f(x) / T)) for a teacher t.

    The teacher is the network of a finished run, in eval mode. It is no part of the module: not counted in P, not
    trained, not saved.

    Args:
        teacher: the finished run's directory, its weights, or the folder of a sweep, see `Weights`.
        num_outputs: K.
        temperature: T; larger ones tell more about the classes that the teacher finds less likely.
        alpha: weight of the teacher against the labels; 0 is plain training, bit for bit.
        common: what `SupervisedModule` takes.

    Raises:
        ConfigError: if there is no such run, or it has another number of outputs.
    """

    def __init__(
        self,
        *,
        teacher: Weights,
        num_outputs: int,
        temperature: PositiveFloat = 4.0,
        alpha: Share = 0.9,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        if temperature <= 0:
            raise ValueError(f"module.temperature must be positive, got {temperature}")
        if not 0 <= alpha <= 1:
            raise ValueError(f"module.alpha must be in [0, 1], got {alpha}")
        self.teacher = Path(teacher["weights"]).parent
        summary = read_summary(self.teacher)
        if summary is None:
            raise ConfigError(f"module.teacher={self.teacher} is not the directory of a finished run")
        if summary["num_outputs"] != num_outputs:
            raise ConfigError(
                f"module.teacher={self.teacher} has {counted(summary['num_outputs'], 'output')}, and these data "
                f"need {num_outputs}"
            )
        self.temperature, self.alpha = temperature, alpha

    def on_fit_start(self) -> None:
        """Load the teacher to where the network is."""
        own = next(self.net.parameters())
        net = load_run(self.teacher).net.requires_grad_(False).to(own.device, own.dtype)
        self._teacher = (net,)  # in a tuple torch does not take it for a part of the module

    def training_loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the mean of what the labels and what the teacher say, a scalar."""
        if self.alpha == 0:
            return super().training_loss(x, y)
        if y.is_floating_point():
            raise ConfigError(
                "module=distillation compares probabilities of classes, and these data are regression"
            )
        outputs = self(x)
        with torch.no_grad():
            taught = self._teacher[0](x.to(self.dtype))
        own, theirs = (F.log_softmax(found / self.temperature, 1) for found in (outputs, taught))
        from_teacher = self.temperature**2 * F.kl_div(own, theirs, reduction="none", log_target=True).sum(1)
        return ((1 - self.alpha) * self.loss(outputs, y) + self.alpha * from_teacher).mean()
