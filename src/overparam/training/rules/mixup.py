"""Mixup (Zhang et al. 2018): training on convex combinations of pairs of samples."""

from typing import Any

import torch
from torch import Tensor

from overparam.ranges import NonNegativeFloat
from overparam.training.module import SupervisedModule


class Mixup(SupervisedModule):
    """Minimizes lambda l(f(x'), y_a) + (1 - lambda) l(f(x'), y_b) at x' = lambda x_a + (1 - lambda) x_b.

    Each sample a of a batch is mixed with a partner b of the same batch, a random permutation of it. One lambda ~
    Beta(alpha, alpha) is drawn for the whole batch, as in the authors' code.

    Args:
        alpha: strength of the mixing; 0 is plain training, bit for bit.
        common: what `SupervisedModule` takes.
    """

    def __init__(self, *, alpha: NonNegativeFloat = 0.2, **common: Any) -> None:
        super().__init__(**common)
        if alpha != 0 and alpha < 0.01:  # below, torch's samples of Beta(alpha, alpha) underflow
            raise ValueError(f"module.alpha must be 0, or 0.01 or more, got {alpha}")
        self.alpha = alpha
        self._beta = torch.distributions.Beta(alpha, alpha) if alpha else None

    def training_loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the loss of the mixed batch, a scalar."""
        if self._beta is None:
            return super().training_loss(x, y)
        # Both draws are from torch's global generators, which a checkpoint keeps. A number on the CPU multiplies
        # tensors on a GPU without the one waiting for the other.
        share = self._beta.sample()
        partner = torch.randperm(len(x), device=x.device)
        outputs = self(share * x + (1 - share) * x[partner])
        return (share * self.loss(outputs, y) + (1 - share) * self.loss(outputs, y[partner])).mean()
