"""Batches as tensor operations on whole chunks of steps, addressed by step."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from overparam.data.augmentation import Augmentation
from overparam.data.normalization import Normalization
from overparam.randomness import generator

CHUNK = 32  # optimizer steps handed to the trainer at a time: its own loop then costs a few percent, not half
# Largest chunk, unless one step is larger: on a CPU, bigger ones are slower by up to 3 times, for the allocator
# takes them fresh from the system each time. Like CHUNK it must not depend on the device or the number of
# processes: a run may be resumed on others, and Lightning counts chunks.
CHUNK_BYTES = 2**21
# Devices that read the host's memory as it is, or that nothing is copied to in the background.
UNPINNED = ("cpu", "mps")


@lru_cache(maxsize=4)  # a chunk seldom spans more than two epochs; a longer one only recomputes
def epoch_order(n: int, seed: int, epoch: int) -> Tensor:
    """Return the permutation [n] in which an epoch visits the training set (stream "order")."""
    return torch.randperm(n, generator=generator(seed, "order", epoch))


class BatchOrder:
    """Which samples each step trains on: a pure function of (n, batch size, seed, step).

    Epochs are independent permutations laid end to end and cut into batches of exactly B, so a batch may
    straddle two epochs and none is short. Addressing by step is what makes a resumed run exact.

    Args:
        n: samples in the training set.
        batch_size: B <= n. B = n is full batch: every step takes all samples in their stored order.
        seed: root of the stream "order".
        rank: which of the `world` processes of a distributed run this is.
        world: how many processes share each batch; every one takes B / world of its samples.
    """

    def __init__(self, n: int, batch_size: int, seed: int, rank: int = 0, world: int = 1) -> None:
        self.n, self.batch_size, self.seed = n, batch_size, seed
        self.rank, self.world = rank, world

    def steps(self, start: int, stop: int) -> Tensor | None:
        """Return sample indices [stop - start, B / world] of steps start..stop-1, or None for all samples."""
        if self.batch_size < self.n:
            return self.rows(lambda epoch: epoch_order(self.n, self.seed, epoch), start, stop)
        if self.world > 1:
            return self.rows(lambda epoch: torch.arange(self.n), start, stop)
        return None

    def rows(self, draw: Callable[[int], Tensor], start: int, stop: int) -> Tensor:
        """Return what `draw` holds for every place of steps start..stop-1, [stop - start, B / world, ...].

        Args:
            draw: gives the rows [n, ...] of an epoch, one a place in that epoch.
            start: first step.
            stop: step to end before.
        """
        first, last = start * self.batch_size, stop * self.batch_size
        pieces = [
            draw(epoch)[max(first - epoch * self.n, 0) : last - epoch * self.n]
            for epoch in range(first // self.n, math.ceil(last / self.n))
        ]
        rows = torch.cat(pieces)
        rows = rows.view(stop - start, self.batch_size, *rows.shape[1:])
        return rows[:, self.rank :: self.world]


def chunk_bounds(start: int, stop: int, cuts: Sequence[int], size: int = CHUNK) -> list[tuple[int, int]]:
    """Split steps start..stop into runs of at most `size` that never cross a cut.

    Example:
        >>> chunk_bounds(0, 10, [3], size=4)
        [(0, 3), (3, 7), (7, 10)]
    """
    edges = [start, *sorted({cut for cut in cuts if start < cut < stop}), stop]
    return [(s, min(s + size, b)) for a, b in pairwise(edges) for s in range(a, b, size)]


class Gather(Dataset):
    """Item i is chunk i of the samples as they are stored, x [S, B, *shape] and y [S, B, ...].

    Args:
        x: inputs [n, *shape].
        y: labels [n] or [n, K], on the same device.
        order: the batch order.
        bounds: the steps (start, stop) of every chunk.
    """

    def __init__(self, x: Tensor, y: Tensor, order: BatchOrder, bounds: list[tuple[int, int]]) -> None:
        self.x, self.y, self.order, self.bounds = x, y, order, bounds

    def __len__(self) -> int:
        return len(self.bounds)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        start, stop = self.bounds[i]
        index = self.order.steps(start, stop)
        if index is None:
            steps = stop - start
            return self.x.expand(steps, *self.x.shape), self.y.expand(steps, *self.y.shape)
        # index_select copies whole rows; x[index] copies element by element, 7 times slower on a CPU.
        rows = to_device(index.flatten(), self.x.device)
        x, y = self.x.index_select(0, rows), self.y.index_select(0, rows)
        return x.view(*index.shape, *x.shape[1:]), y.view(*index.shape, *y.shape[1:])


class ChunkLoader:
    """Iterates chunks (x [S, B, *shape], y [S, B, ...]) of S consecutive steps, ready for the network.

    Samples that live on `device` are gathered there. Samples kept on the host are gathered by DataLoader
    workers, and what follows, augmentation and normalization, happens on `device` all the same: both ways
    give the same chunks bit for bit.

    Args:
        x: inputs [n, *shape], on `device` or on the host.
        y: labels [n] or [n, K], on `device`.
        order: the batch order.
        step: tells the step the run is at; iteration begins there. The length stays that of the whole run, as
            Lightning expects of a run that it resumes.
        stop: step to end before.
        cuts: steps at which a chunk must end.
        augmentation: random changes of each sample; None for none.
        normalization: from stored values to the network's inputs; None if they are the same.
        num_workers: DataLoader processes for samples on the host; None if the samples are on `device`.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        order: BatchOrder,
        step: Callable[[], int],
        stop: int,
        cuts: Sequence[int],
        augmentation: Augmentation | None = None,
        normalization: Normalization | None = None,
        num_workers: int | None = None,
    ) -> None:
        self.x, self.y, self.order, self.step = x, y, order, step
        self.labels = y if num_workers is None else y.cpu()
        self.augmentation, self.normalization = augmentation, normalization
        self.num_workers = num_workers
        size = CHUNK
        if order.batch_size < order.n or augmentation is not None:  # else a chunk takes no memory
            step_bytes = 4 * order.batch_size * math.prod(x.shape[1:])
            size = min(max(CHUNK_BYTES // step_bytes, 1), CHUNK)
        self.bounds = chunk_bounds(0, stop, cuts, size)

    def __len__(self) -> int:
        return len(self.bounds)

    def batches_before(self, step: int) -> int:
        """Return how many chunks end at or before a step."""
        return sum(stop <= step for _, stop in self.bounds)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        done, device = self.step(), self.y.device
        bounds = [(max(start, done), stop) for start, stop in self.bounds if stop > done]
        if self.order.batch_size == self.order.n and self.augmentation is None:
            yield from self._same_batch(bounds)
            return
        chunks = self._chunks(bounds)
        for (start, stop), (x, y) in zip(bounds, chunks, strict=True):
            x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
            if self.augmentation is not None:
                draws = self.order.rows(self.augmentation.draw, start, stop).flatten(0, 1)
                x = self.augmentation(x.flatten(0, 1), to_device(draws, device)).view(x.shape)
            yield x if self.normalization is None else self.normalization(x), y

    def _same_batch(self, bounds: list[tuple[int, int]]) -> Iterator[tuple[Tensor, Tensor]]:
        share = slice(self.order.rank, None, self.order.world)
        x, y = to_device(self.x[share], self.y.device), self.y[share]
        x = x if self.normalization is None else self.normalization(x)
        for start, stop in bounds:
            yield x.expand(stop - start, *x.shape), y.expand(stop - start, *y.shape)

    def _chunks(self, bounds: list[tuple[int, int]]) -> "Iterator[tuple[Tensor, Tensor]]":
        gather = Gather(self.x, self.labels, self.order, bounds)
        if self.num_workers is None:
            return (gather[i] for i in range(len(bounds)))
        pin = self.y.device.type not in UNPINNED
        return iter(DataLoader(gather, batch_size=None, num_workers=self.num_workers, pin_memory=pin))


class OneByOne:
    """Iterates the batches (x [B, *shape], y [B, ...]) of a run's steps, the very tensors of its chunks."""

    def __init__(self, chunks: ChunkLoader) -> None:
        self.chunks = chunks

    def __len__(self) -> int:
        return self.chunks.bounds[-1][1]

    def batches_before(self, step: int) -> int:
        """Return how many batches come before the one that the loader would begin with."""
        return self.chunks.step()

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for xs, ys in self.chunks:
            yield from zip(xs, ys, strict=True)


def to_device(t: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on `device`, without the host waiting for a GPU."""
    if t.device == device or device.type in UNPINNED:
        return t.to(device)
    return t.pin_memory().to(device, non_blocking=True)
