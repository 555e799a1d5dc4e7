"""Sharpness-aware minimization (Foret et al. 2021)."""

from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from overparam.ranges import NonNegativeFloat
from overparam.training.module import SupervisedModule


class SAM(SupervisedModule):
    """Descends by the gradient at w + rho g / |g|, where g is the gradient at w: two passes, one optimizer step.

    BatchNorm's running statistics are those of the first pass, as in the authors' code. Several devices, and the
    parts of an accumulated batch, ascend by the gradient of their own share each (the paper's m-sharpness).

    Args:
        rho: length of the ascent; 0 is plain training, bit for bit.
        common: what `SupervisedModule` takes.
    """

    def __init__(self, *, rho: NonNegativeFloat = 0.05, **common: Any) -> None:
        super().__init__(**common)
        if rho < 0:
            raise ValueError(f"module.rho must be 0 or more, got {rho}")
        self.rho = rho

    def training_loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the loss at the ascended weights, a scalar; its gradient is the one to descend by."""
        plain = super().training_loss(x, y)
        if self.rho == 0:
            return plain
        weights = {name: w for name, w in self.named_parameters() if w.requires_grad}
        gradient = torch.autograd.grad(plain, list(weights.values()), materialize_grads=True)
        scale = self.rho / torch.nn.utils.get_total_norm(gradient).clamp_min(1e-12)
        ascended = {name: w + scale * g for (name, w), g in zip(weights.items(), gradient, strict=True)}
        statistics = {name: buffer.clone() for name, buffer in self.named_buffers()}
        return self.loss(functional_call(self, {**ascended, **statistics}, (x,)), y).mean()
