"""The members' own batches, row by row; members of a row read the same samples."""

import copy
import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor

from overparam.data.loader import chunk_bounds, to_device
from overparam.data.module import PoolDataModule, Split

CHUNK_BYTES = 2**26  # what a chunk of all rows' batches may take


@dataclass(frozen=True)
class Labels:
    """What an evaluation compares outputs with, of every member."""

    y: Tensor  # [M, n] or [M, n, K], padded to the largest n
    noisy: Tensor  # [M, n]
    valid: Tensor  # [M, n], False where padded


@dataclass(frozen=True)
class PackSplit:
    """The samples of all members' "train" or "test" split, evaluated together."""

    rows: list[Split]  # each row's, for its inputs
    labels: Labels
    most: int  # samples of a member at once

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Iterate (x [R, N, *shape], y [M, N, ...], noisy [M, N], valid [M, N]) over all samples in order."""
        size = min(size, self.most)
        for start in range(0, self.labels.y.shape[1], size):
            part = slice(start, start + size)
            x = stack_padded([row.inputs(part) for row in self.rows])
            yield x, self.labels.y[:, part], self.labels.noisy[:, part], self.labels.valid[:, part]

    def first(self, samples: int) -> "PackSplit":
        """Return the first samples of every member."""
        labels = Labels(*(part[:, :samples] for part in vars(self.labels).values()))
        return replace(self, rows=[row.first(samples) for row in self.rows], labels=labels)


class PackDataModule(L.LightningDataModule):
    """Every member's own DataModule: its data, subset, noise and batch order, drawn as it draws them alone.

    Args:
        rows: the DataModules, of one batch size; those in a row have the same samples in the same order and
            may differ in their labels.
        inputs: of each row, what tells its samples and their order from other rows'.
        labels: of each member, row by row, what tells its samples and labels from others'.
    """

    def __init__(
        self,
        rows: Sequence[Sequence[PoolDataModule]],
        inputs: Sequence[Hashable],
        labels: Sequence[Hashable],
    ) -> None:
        super().__init__()
        self.rows, self.inputs, self.labels_of = [list(row) for row in rows], list(inputs), list(labels)
        self.members = [member for row in self.rows for member in row]
        self.cuts: list[int] = []
        self.fused = True
        self.most = 64  # samples of a member to be evaluated at once
        self.labels = cache(self._labels)

    def setup(self, stage: str | None = None) -> None:
        """Set up, on the Trainer's device, what no other member has; test inputs that are equal are held once."""
        first = self.members[0]
        known: dict[Hashable, PoolDataModule] = {}
        for member, key in zip(self.members, self.labels_of, strict=True):
            member.trainer = self.trainer
            if key in known:
                member.train, member.test = known[key].train, known[key].test
                continue
            member.setup(stage)
            known[key] = member
            mine, theirs = member.test.stored, first.test.stored
            if mine.shape == theirs.shape and torch.equal(mine, theirs):
                member.test = replace(member.test, stored=theirs)
        for row in self.rows:
            for member in row[1:]:
                member.train = replace(member.train, stored=row[0].train.stored)

    def splits(self) -> dict[str, PackSplit]:
        """Return what the members are evaluated on."""
        return {
            name: PackSplit([row[0].splits()[name] for row in self.rows], self.labels(name), self.most)
            for name in self.members[0].splits()
        }

    def _labels(self, name: str) -> Labels:
        splits = [member.splits()[name] for member in self.members]
        lengths = [len(split) for split in splits]
        y, noisy = (stack_padded([getattr(split, part) for split in splits]) for part in ("y", "noisy"))
        return Labels(y, noisy, to_device(sample_mask(lengths), y.device))

    def train_dataloader(self) -> Any:
        """Return the remaining steps of the run."""
        trainer = self.trainer
        assert trainer is not None
        if all(m.batch_size == m.n_train and m.augmentation() is None for m in self.members):
            x = stack_padded([row[0].train.inputs() for row in self.rows])
            y = self.labels("train").y
            return FullBatches(x, y, lambda: trainer.global_step, trainer.max_steps, self.cuts)
        step_bytes = sum(8 * row[0].batch_size * math.prod(row[0].input_shape) for row in self.rows)
        steps = range(0, trainer.max_steps, max(CHUNK_BYTES // step_bytes, 1))
        alike: dict[Hashable, list[int]] = {}
        for row, key in enumerate(self.inputs):
            alike.setdefault(key, []).append(row)
        columns = len(self.rows[0])
        loaders, source, places = [], [0] * len(self.rows), [0] * len(self.members)
        read = 0
        for group, rows in enumerate(alike.values()):
            readers = [row * columns + column for row in rows for column in range(columns)]
            for place, member in enumerate(readers):
                places[member] = read + place
            read += len(readers)
            for row in rows:
                source[row] = group
            # One of them gathers the samples, with the labels of all.
            loader = copy.copy(self.members[readers[0]])
            labels = torch.stack([self.members[member].train.y for member in readers], 1)
            loader.train = replace(loader.train, y=labels)
            loader.fused, loader.cuts = True, sorted({*self.cuts, *steps})
            loaders.append(loader.train_dataloader())
        return TogetherByRow(loaders, source, places)


class TogetherByRow:
    """Iterates chunks x [S, R, B, *shape] and y [S, M, B, ...] put together from loaders that rows share.

    Args:
        loaders: each gives x [S, B, *shape] and y [S, B, members, ...] of the members that read it.
        source: each row's loader.
        places: each member's place among the members of all loaders.
    """

    def __init__(self, loaders: Sequence[Any], source: Sequence[int], places: Sequence[int]) -> None:
        self.loaders, self.source, self.places = loaders, source, places

    def __len__(self) -> int:
        return len(self.loaders[0])

    def batches_before(self, step: int) -> int:
        """Return how many chunks end at or before a step."""
        return self.loaders[0].batches_before(step)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        places = torch.tensor(self.places)
        for chunks in zip(*self.loaders, strict=True):
            xs, ys = zip(*chunks, strict=True)
            y = torch.cat(ys, 2).movedim(2, 1)
            y = y.index_select(1, to_device(places, y.device))
            yield torch.stack([xs[loader] for loader in self.source], 1), y


class FullBatches:
    """Iterates the same x [S, R, n, *shape] and y [S, M, n, ...] over and over.

    Args:
        x: inputs [R, n, *shape].
        y: labels [M, n, ...].
        step: tells the step the pack is at; iteration begins there.
        stop: step to end before.
        cuts: steps at which a chunk must end.
    """

    def __init__(self, x: Tensor, y: Tensor, step: Callable[[], int], stop: int, cuts: Sequence[int]) -> None:
        self.x, self.y, self.step, self.stop, self.cuts = x, y, step, stop, cuts

    def __len__(self) -> int:
        return len(chunk_bounds(0, self.stop, self.cuts))

    def batches_before(self, step: int) -> int:
        """Return how many chunks end at or before a step."""
        return sum(stop <= step for _, stop in chunk_bounds(0, self.stop, self.cuts))

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
    padding = [(0, 0) * (t.dim() - 1) + (0, longest - len(t)) for t in tensors]
    return torch.stack([F.pad(t, pad) if any(pad) else t for t, pad in zip(tensors, padding, strict=True)])


def sample_mask(lengths: Sequence[int]) -> Tensor:
    """Return [M, max n_m], True where a member has a sample."""
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
