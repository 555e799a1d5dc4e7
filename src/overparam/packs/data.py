"""The members' own batches, side by side."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor

from overparam.data.loader import chunk_bounds
from overparam.data.module import PoolDataModule

CHUNK_BYTES = 2**26  # what a chunk of all members' batches may take


class PackDataModule(L.LightningDataModule):
    """Every member's own DataModule: its data, subset, noise and batch order, drawn as it draws them alone.

    Args:
        members: the DataModules, of one batch size.
    """

    def __init__(self, members: Sequence[PoolDataModule]) -> None:
        super().__init__()
        self.members = list(members)
        self.cuts: list[int] = []

    def setup(self, stage: str | None = None) -> None:
        """Set every member's data up, on the Trainer's device; test inputs that are equal are held once."""
        first = self.members[0]
        for member in self.members:
            member.trainer = self.trainer
            member.setup(stage)
            mine, theirs = member.test.stored, first.test.stored
            if mine.shape == theirs.shape and torch.equal(mine, theirs):
                member.test = replace(member.test, stored=theirs)

    def train_dataloader(self) -> Any:
        """Return the remaining steps of the run."""
        trainer = self.trainer
        assert trainer is not None
        members = self.members
        if all(m.batch_size == m.n_train and m.augmentation() is None for m in members):
            return FullBatches(members, lambda: trainer.global_step, trainer.max_steps, self.cuts)
        step_bytes = sum(8 * m.batch_size * math.prod(m.input_shape) for m in members)
        steps = range(0, trainer.max_steps, max(CHUNK_BYTES // step_bytes, 1))
        for member in members:
            member.cuts = sorted({*self.cuts, *steps})
        return SideBySide([member.train_dataloader() for member in members])


class SideBySide:
    """Iterates chunks x [S, M, B, *shape] and y [S, M, B, ...] put together from the members' loaders."""

    def __init__(self, loaders: Sequence[Any]) -> None:
        self.loaders = loaders

    def __len__(self) -> int:
        return len(self.loaders[0])

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for chunks in zip(*self.loaders, strict=True):
            xs, ys = zip(*chunks, strict=True)
            yield torch.stack(xs, 1), torch.stack(ys, 1)


class FullBatches:
    """Iterates the same x [S, M, n, *shape] and y [S, M, n, ...], put together once, padded to the largest n.

    Args:
        members: the DataModules.
        step: tells the step the pack is at; iteration begins there.
        stop: step to end before.
        cuts: steps at which a chunk must end.
    """

    def __init__(
        self, members: Sequence[PoolDataModule], step: Callable[[], int], stop: int, cuts: Sequence[int]
    ) -> None:
        self.x = stack_padded([member.train.inputs() for member in members])
        self.y = stack_padded([member.train.y for member in members])
        self.step, self.stop, self.cuts = step, stop, cuts

    def __len__(self) -> int:
        return len(chunk_bounds(0, self.stop, self.cuts))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for start, stop in chunk_bounds(self.step(), self.stop, self.cuts):
            yield self.x.expand(stop - start, *self.x.shape), self.y.expand(stop - start, *self.y.shape)


def stack_padded(tensors: Sequence[Tensor]) -> Tensor:
    """Return [M, n, ...] of M tensors [n_m, ...], padded at the end with zeros to the largest n_m.

    M times the same memory, as of one test set, is not copied.
    """
    first = tensors[0]
    if all(t.data_ptr() == first.data_ptr() and t.shape == first.shape for t in tensors):
        return first.expand(len(tensors), *first.shape)
    longest = max(len(t) for t in tensors)
    return torch.stack([F.pad(t, (0, 0) * (t.dim() - 1) + (0, longest - len(t))) for t in tensors])


def sample_mask(lengths: Sequence[int]) -> Tensor:
    """Return [M, max n_m], True where a member has a sample."""
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
