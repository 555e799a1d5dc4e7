"""Batches as tensor operations on data that lives on the training device, addressed by step."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

from overparam.randomness import generator

CHUNK = 32  # optimizer steps handed to the trainer at a time: its own loop then costs a few percent, not half


class BatchOrder:
    """Which samples each step trains on: a pure function of (n, batch size, seed, step).

    Epochs are independent permutations laid end to end and cut into batches of exactly B, so a batch may
    straddle two epochs and none is short. Addressing by step is what makes a resumed run exact.

    Args:
        n: samples in the training set.
        batch_size: B <= n. B = n is full batch: every step takes all samples in their stored order.
        seed: root of the stream "order".
    """

    def __init__(self, n: int, batch_size: int, seed: int) -> None:
        self.n, self.batch_size, self.seed = n, batch_size, seed
        # One chunk seldom spans more than two epochs; a longer one only recomputes.
        self._permutation = lru_cache(maxsize=2)(self._draw)

    def _draw(self, epoch: int) -> Tensor:
        return torch.randperm(self.n, generator=generator(self.seed, "order", epoch))

    def steps(self, start: int, stop: int) -> Tensor | None:
        """Return sample indices [stop - start, B] of steps start..stop-1, or None for full batch."""
        if self.batch_size == self.n:
            return None
        first, last = start * self.batch_size, stop * self.batch_size
        pieces = [
            self._permutation(epoch)[max(first - epoch * self.n, 0) : last - epoch * self.n]
            for epoch in range(first // self.n, math.ceil(last / self.n))
        ]
        return torch.cat(pieces).view(stop - start, self.batch_size)


def chunk_bounds(start: int, stop: int, cuts: Sequence[int], size: int = CHUNK) -> list[tuple[int, int]]:
    """Split steps start..stop into runs of at most `size` that never cross a cut.

    Example:
        >>> chunk_bounds(0, 10, [3], size=4)
        [(0, 3), (3, 7), (7, 10)]
    """
    edges = [start, *sorted({cut for cut in cuts if start < cut < stop}), stop]
    return [(s, min(s + size, b)) for a, b in pairwise(edges) for s in range(a, b, size)]


class ResidentLoader:
    """Iterates chunks (x [S, B, *shape], y [S, B, ...]) of S consecutive steps, gathered on the data's device.

    Args:
        x: inputs [n, *shape].
        y: labels [n] or [n, K].
        order: the batch order.
        step: tells the step the run is at; iteration begins there. The length stays that of the whole run, as
            Lightning expects of a run that it resumes.
        stop: step to end before.
        cuts: steps at which a chunk must end.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        order: BatchOrder,
        step: Callable[[], int],
        stop: int,
        cuts: Sequence[int],
    ) -> None:
        self.x, self.y, self.order = x, y, order
        self.step, self.bounds = step, chunk_bounds(0, stop, cuts)

    def __len__(self) -> int:
        return len(self.bounds)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        done = self.step()
        for start, stop in self.bounds:
            if start < done:
                continue
            index = self.order.steps(start, stop)
            if index is None:
                repeat = stop - start
                yield (
                    self.x.expand(repeat, *self.x.shape),
                    self.y.expand(repeat, *self.y.shape),
                )
            else:
                index = index.to(self.x.device, non_blocking=True)
                yield self.x[index], self.y[index]
