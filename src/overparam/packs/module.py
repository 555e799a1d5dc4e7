"""The LightningModule that trains the members of a pack together."""

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor

from overparam.models.module import Loss, SupervisedModule, per_sample_loss
from overparam.packs.stack import Stack


def member_losses(name: Loss, outputs: Tensor, y: Tensor) -> Tensor:
    """Return `per_sample_loss` [M, B] of outputs [M, K, B] against y [M, B] or [M, B, K]."""
    if name == "cross_entropy":
        return F.cross_entropy(outputs, y, reduction="none")
    return per_sample_loss(name, outputs.transpose(1, 2).flatten(0, 1), y.flatten(0, 1)).view(len(y), -1)


class PackModule(L.LightningModule):
    """Trains M networks at once: batches x [S, M, B, *shape] and y [S, M, B, ...] hold S steps of every member.

    A member's gradient is that of its own mean loss, its update that of torch's own optimizer with its own
    hyperparameters: members with equal ones are a parameter group, which is a view of the stacked parameters.
    That is exact for the optimizers that treat every number alone (SGD, Adam, AdamW). One member's NaN stays
    in its own slice.

    Args:
        members: the modules the members would train with alone, those with equal hyperparameters in a row.
        recipes: how each makes its optimizer: the class, and its hyperparameters.
        weights: what a sample's loss counts for in its member's mean, [M, B]; None is 1/B. Full batches of
            unequal size are padded with samples that count 0.
    """

    def __init__(
        self,
        members: Sequence[SupervisedModule],
        recipes: "Sequence[partial[torch.optim.Optimizer]]",
        weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.stack = Stack([member.net for member in members])
        self.loss, self.clip_norm = members[0].loss, members[0].clip_norm
        self.weights: Tensor | None
        self.register_buffer("weights", weights, persistent=False)
        self.recipes = list(recipes)
        self._make_scheduler = members[0]._make_scheduler
        groups = groupby(range(len(members)), key=lambda m: repr(self.recipes[m].keywords))
        self.groups = [list(positions) for _, positions in groups]

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs [M, K, B] for inputs [M, B, *input_shape] of any floating type."""
        return self.stack(x.to(self.dtype))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Take one optimizer step, of every member, for each of the chunk's S batches."""
        optimizer: Any = self.optimizers()
        scheduler: Any = self.lr_schedulers()
        parameters, sizes = self.stack.trained(), [len(group) for group in self.groups]
        for x, y in zip(*batch, strict=True):
            losses = member_losses(self.loss, self(x), y)
            loss = (
                losses.mean(1).sum()
                if self.weights is None
                else (losses * self.weights.to(losses.dtype)).sum()
            )
            gradients: Sequence[Tensor] = torch.autograd.grad(loss, parameters)
            if self.clip_norm is not None:
                gradients = clip_member_norms(gradients, self.clip_norm)
            for views, gradient in zip(self._views, gradients, strict=True):
                # Fused kernels read memory in order, whatever the strides say.
                for view, piece in zip(views, gradient.contiguous().split(sizes), strict=True):
                    view.grad = piece
            optimizer.step()
            if scheduler is not None:
                scheduler.step()

    def configure_optimizers(self) -> Any:
        """Build torch's own optimizer over views of the stacked parameters, a group for each block of members."""
        sizes = [len(group) for group in self.groups]
        self._views = [parameter.detach().split(sizes) for parameter in self.stack.trained()]
        groups = []
        for g, members in enumerate(self.groups):
            solo = self.recipes[members[0]]([self._views[0][g]])  # says how torch writes its hyperparameters
            groups.append({**solo.param_groups[0], "params": [views[g] for views in self._views]})
            groups[g]["fused"] = True  # one kernel a group, not ten a tensor
        optimizer = self.recipes[0].func(groups, **{**self.recipes[0].keywords, "fused": True})
        if self._make_scheduler is None:
            return optimizer
        return [optimizer], [self._make_scheduler(optimizer)]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what a member needs to go on alone."""
        checkpoint["rng"] = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}


def clip_member_norms(gradients: Sequence[Tensor], clip_norm: float) -> list[Tensor]:
    """Return the gradients with each member's norm over all of them at most `clip_norm`.

    The factor is that of `torch.nn.utils.clip_grad_norm_`: clip_norm / (norm + 1e-6), at most 1.
    """
    norms = torch.stack([gradient.flatten(1).norm(dim=1) for gradient in gradients], 1).norm(dim=1)
    factors = (clip_norm / (norms + 1e-6)).clamp(max=1.0)
    return [gradient * factors.view(-1, *[1] * (gradient.dim() - 1)) for gradient in gradients]
