"""The LightningModule that trains the members of a pack together."""

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from typing import Any

import lightning as L
import torch
from torch import Tensor

from overparam import compat
from overparam.packs.stack import Stack
from overparam.training.module import SupervisedModule, make_schedule
from overparam.training.objective import is_plain_cross_entropy


def cross_entropy_slopes(outputs: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """Return the derivative of cross entropies [M, B], times `weights` [M, B] and added up, by outputs [M, K, B].

    That is the softmax, minus 1 at the label, times the weight.
    """
    minus_one = outputs.new_full((), -1.0).expand(len(y), 1, y.shape[1])
    return outputs.softmax(1).scatter_add_(1, y.unsqueeze(1), minus_one).mul_(weights.unsqueeze(1))


class PackModule(L.LightningModule):
    """Trains M networks at once: batches x [S, R, B, *shape] and y [S, M, B, ...] hold S steps of every member.

    Members stand in R rows, see `Stack`. A member's gradient is that of its own mean loss, its update that of
    torch's own optimizer with its row's hyperparameters: rows with equal ones are a parameter group. That is
    exact for the optimizers that treat every number alone (SGD, Adam, AdamW). One member's NaN stays its own.

    Args:
        members: the modules the members would train with alone, row by row.
        recipes: how each row makes its optimizer: the class, and its hyperparameters; equal ones in a row.
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
        self.stack = Stack([member.net for member in members], len(recipes))
        self.loss, self.clip_norm = members[0].loss, members[0].clip_norm
        self.weights: Tensor | None
        self.register_buffer("weights", weights, persistent=False)
        columns = None if self.clip_norm is None else self.stack.columns_of_numbers()
        self.columns: Tensor | None
        self.register_buffer("columns", columns, persistent=False)
        self.recipes = list(recipes)
        self._make_scheduler = members[0]._make_scheduler
        groups = groupby(range(len(recipes)), key=lambda row: repr(self.recipes[row].keywords))
        self.groups = [list(rows) for _, rows in groups]

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs [M, K, B] for inputs [R, B, *input_shape] of any floating type."""
        return self.stack(x.to(self.dtype))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Take one optimizer step, of every member, for each of the chunk's S batches."""
        optimizer: Any = self.optimizers(use_pl_optimizer=False)
        scheduler: Any = self.lr_schedulers()
        sizes = [len(rows) for rows in self.groups]
        for x, y in zip(*batch, strict=True):
            gradient = self._gradient(x, y)
            if self.clip_norm is not None:
                assert self.columns is not None
                gradient = clip_member_norms(gradient, self.columns, self.stack.columns, self.clip_norm)
            for view, piece in zip(self._views, gradient.split(sizes), strict=True):
                view.grad = piece
            optimizer.step()
            compat.count_manual_step(self.trainer)
            if scheduler is not None:
                scheduler.step()

    def _gradient(self, x: Tensor, y: Tensor) -> Tensor:
        """Return that of all members' losses, [R, size of a row]."""
        outputs = self(x)
        equal = outputs.new_full((), 1 / y.shape[1])
        weights = (equal if self.weights is None else self.weights.to(outputs)).expand(y.shape[:2])
        if is_plain_cross_entropy(self.loss) and self.stack.is_side_by_side:
            # Faster than autograd's arithmetic, which rounds as a run alone does and so stays for vmap.
            of, slopes = outputs, cross_entropy_slopes(outputs.detach(), y, weights)
        else:
            of, slopes = self.loss(outputs, y), weights
        (gradient,) = torch.autograd.grad(of, [self.stack.flat], [slopes])
        return gradient

    def configure_optimizers(self) -> Any:
        """Build torch's own optimizer over views of the rows, a group for each block of equal hyperparameters."""
        self._views = self.stack.flat.detach().split([len(rows) for rows in self.groups])
        groups = []
        for rows, view in zip(self.groups, self._views, strict=True):
            solo = self.recipes[rows[0]]([view])  # says how torch writes its hyperparameters
            groups.append({**solo.param_groups[0], "fused": True})  # one kernel a group, not ten
        optimizer = self.recipes[0].func(groups, **{**self.recipes[0].keywords, "fused": True})
        if self._make_scheduler is None:
            return optimizer
        return [optimizer], [make_schedule(self._make_scheduler, optimizer)[0]]


def clip_member_norms(gradient: Tensor, columns: Tensor, count: int, clip_norm: float) -> Tensor:
    """Return a gradient [R, size of a row] with the norm of each member's numbers at most `clip_norm`.

    The factor is that of `torch.nn.utils.clip_grad_norm_`: clip_norm / (norm + 1e-6), at most 1.

    Args:
        gradient: of all members.
        columns: the column each number of a row belongs to, [size of a row].
        count: columns of a row.
        clip_norm: the largest norm.
    """
    squares = gradient.new_zeros(len(gradient), count).index_add_(1, columns, gradient.square())
    factors = (clip_norm / (squares.sqrt() + 1e-6)).clamp(max=1.0)
    return gradient * factors[:, columns]
