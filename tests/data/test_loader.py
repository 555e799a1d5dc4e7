"""Batches are a function of the step: order, resume, processes, and the two ways to gather them."""

import pickle

import pytest
import torch

from overparam.data.loader import BatchOrder, ChunkLoader, chunk_bounds
from overparam.data.normalization import Normalization
from tests.data.test_augmentation import augmentation

N, B = 50, 16  # an epoch is not a whole number of batches
IMAGES = torch.randint(0, 256, (N, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(N)
NORMALIZATION = Normalization.of((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))


def loader(stop: int = 40, done: int = 0, cuts=(), rank: int = 0, world: int = 1, batch: int = B, **options):
    order = BatchOrder(N, batch, 3, rank, world)
    return ChunkLoader(IMAGES, LABELS, order, lambda: done, stop, cuts, **options)


def steps(chunks: ChunkLoader) -> tuple[torch.Tensor, torch.Tensor]:
    """All steps of a loader, one after the other."""
    parts = list(chunks)
    return torch.cat([x for x, _ in parts]), torch.cat([y for _, y in parts])


def test_epochs_are_permutations_and_batches_straddle_them():
    places = BatchOrder(N, B, 0).steps(0, 25).flatten()  # 25 x 16 = 8 x 50
    epochs = places.view(8, N)
    assert torch.equal(epochs.sort(1).values, torch.arange(N).expand(8, N))
    assert len({tuple(epoch.tolist()) for epoch in epochs}) == 8
    straddling = BatchOrder(N, B, 0).steps(3, 4)[0]  # places 48..63: two of epoch 0, fourteen of epoch 1
    assert torch.equal(straddling, torch.cat([epochs[0, 48:], epochs[1, :14]]))


@pytest.mark.parametrize(("n", "batch"), [(50, 16), (50, 50), (50, 25), (7, 6), (5, 1)])
def test_any_stretch_of_steps_is_the_same_stretch(n, batch):
    order = BatchOrder(n, batch, 1)
    if batch == n:
        assert order.steps(0, 9) is None
        return
    whole = order.steps(0, 30)
    for start, stop in [(0, 1), (7, 30), (29, 30), (3, 11)]:
        assert torch.equal(BatchOrder(n, batch, 1).steps(start, stop), whole[start:stop])
    assert not torch.equal(BatchOrder(n, batch, 2).steps(0, 30), whole)


def test_chunks_end_at_every_cut():
    bounds = chunk_bounds(0, 100, [1, 40, 100], size=32)
    assert bounds == [(0, 1), (1, 33), (33, 40), (40, 72), (72, 100)]
    assert [y.shape[0] for _, y in loader(cuts=[5, 6])] == [5, 1, 32, 2]


@pytest.mark.parametrize("done", [0, 1, 5, 17, 39])
@pytest.mark.parametrize("augment", [False, True])
def test_a_resumed_loader_goes_on_exactly(done, augment):
    options = {
        "augmentation": augmentation(N, (3, 8, 8)) if augment else None,
        "normalization": NORMALIZATION,
    }
    x, y = steps(loader(cuts=[5], **options))
    rest_x, rest_y = steps(loader(cuts=[5], done=done, **options))
    assert torch.equal(rest_x, x[done:])
    assert torch.equal(rest_y, y[done:])
    assert len(loader(done=done)) == len(loader())


def test_full_batch_is_every_sample_in_stored_order_at_every_step():
    x, y = steps(loader(batch=N, stop=3))
    assert torch.equal(x, IMAGES.expand(3, *IMAGES.shape))
    assert torch.equal(y, LABELS.expand(3, N))
    chunk, _ = next(iter(loader(batch=N, normalization=NORMALIZATION)))
    assert torch.equal(chunk[31], NORMALIZATION(IMAGES))
    assert chunk.stride(0) == 0  # normalized once, not once a step


@pytest.mark.parametrize("batch", [B, N])
@pytest.mark.parametrize("augment", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
def test_the_dataloader_path_gives_the_same_bits(batch, augment, workers):
    options = {
        "augmentation": augmentation(N, (3, 8, 8)) if augment else None,
        "normalization": NORMALIZATION,
    }
    x, y = steps(loader(batch=batch, cuts=[3, 7], stop=12, **options))
    host_x, host_y = steps(loader(batch=batch, cuts=[3, 7], stop=12, num_workers=workers, **options))
    assert torch.equal(host_x, x)
    assert torch.equal(host_y, y)


@pytest.mark.parametrize(("batch", "world"), [(B, 2), (B, 4), (N, 2)])
@pytest.mark.parametrize("workers", [None, 0])
def test_processes_share_every_batch(batch, world, workers):
    options = {"augmentation": augmentation(N, (3, 8, 8)), "num_workers": workers}
    x, y = steps(loader(batch=batch, stop=9, **options))
    for rank in range(world):
        part_x, part_y = steps(loader(batch=batch, stop=9, rank=rank, world=world, **options))
        assert torch.equal(part_x, x[:, rank::world])
        assert torch.equal(part_y, y[:, rank::world])


def test_large_batches_make_short_chunks():
    big = torch.zeros(600, 3, 64, 64, dtype=torch.uint8)
    chunks = ChunkLoader(big, torch.zeros(600), BatchOrder(600, 100, 0), lambda: 0, 10, [])
    assert [len(y) for _, y in chunks] == [1] * 10  # 100 x 3 x 64 x 64 floats are 4.9 MB
    shares = [loader(rank=1, world=world).bounds for world in (1, 2, 4)]
    assert shares[0] == shares[1] == shares[2]  # a run goes on under another number of processes
    assert len(next(iter(loader()))[1]) == 32


def test_what_workers_are_sent_can_be_sent():
    order = pickle.loads(pickle.dumps(BatchOrder(N, B, 0)))
    assert torch.equal(order.steps(2, 5), BatchOrder(N, B, 0).steps(2, 5))
