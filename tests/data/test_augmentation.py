"""Augmentation in batches against a loop over images that does the same with slices."""

import pytest
import torch

from overparam.data.augmentation import Augmentation

MEAN = torch.tensor([100, 120, 140], dtype=torch.uint8).view(3, 1, 1)


def augmentation(n: int, shape=(3, 12, 10), seed: int = 0, **options) -> Augmentation:
    chosen = {"crop": 2, "flip": True, "cutout": 5} | options
    mean = MEAN[: shape[0]]
    return Augmentation(shape, n, seed, **chosen, black=7, mean=mean)


def one_by_one(images, draws, crop, flip, cutout):
    out = []
    for image, (top, left, flipped, row, column) in zip(images, draws.tolist(), strict=True):
        channels, height, width = image.shape
        padded = torch.full((channels, height + 2 * crop, width + 2 * crop), 7, dtype=image.dtype)
        padded[:, crop : crop + height, crop : crop + width] = image
        cut = padded[:, top : top + height, left : left + width].clone()
        if flip and flipped:
            cut = cut.flip(-1)
        if cutout:
            rows = slice(max(row - cutout // 2, 0), row - cutout // 2 + cutout)
            columns = slice(max(column - cutout // 2, 0), column - cutout // 2 + cutout)
            cut[:, rows, columns] = MEAN[:channels].to(cut.dtype)
        out.append(cut)
    return torch.stack(out)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(3, 12, 10), (1, 7, 9)])
@pytest.mark.parametrize(
    ("crop", "flip", "cutout"),
    [(0, False, 0), (4, False, 0), (0, True, 0), (0, False, 4), (0, False, 5), (3, True, 0), (4, True, 6)],
)
def test_a_batch_equals_the_images_one_by_one(crop, flip, cutout, shape, dtype):
    n = 64
    images = torch.randint(0, 256, (n, *shape), generator=torch.Generator().manual_seed(1)).to(dtype)
    stored = images.clone()
    augment = Augmentation(
        shape, n, 0, crop=crop, flip=flip, cutout=cutout, black=7, mean=MEAN[: shape[0]].to(dtype)
    )
    draws = augment.places(0)
    changed = augment(images, augment.draw(0))
    assert changed.dtype == dtype
    assert torch.equal(changed, one_by_one(images, draws, crop, flip, cutout))
    assert torch.equal(images, stored)
    few = augment(images[:9], augment.draw(0)[:9])  # another batch size, and then this one again
    assert torch.equal(few, changed[:9])
    assert torch.equal(augment(images, augment.draw(0)), changed)


def test_draws_cover_all_places_evenly():
    n, crop = 40_000, 1
    draws = augmentation(n, crop=crop).places(0)
    top, left, flipped, row, column = draws.unbind(1)
    for values, count in ((top, 3), (left, 3), (flipped, 2), (row, 12), (column, 10)):
        shares = torch.bincount(values, minlength=count) / n
        assert len(shares) == count
        assert (shares - 1 / count).abs().max() < 5 * (1 / count / n) ** 0.5
    joint = torch.bincount((top * 3 + left) * 2 + flipped) / n
    assert (joint - 1 / 18).abs().max() < 5 * (1 / 18 / n) ** 0.5


def test_every_epoch_and_seed_draws_anew_and_again_the_same():
    draws = [augmentation(30, seed=seed).draw(epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert len({tuple(d.flatten().tolist()) for d in draws}) == 4
    assert torch.equal(augmentation(30).draw(1), draws[1])


def test_switching_one_change_on_leaves_the_draws_of_the_others():
    alone, both = augmentation(30, flip=False, cutout=0), augmentation(30)
    assert torch.equal(alone.places(5)[:, :2], both.places(5)[:, :2])
    assert torch.equal(alone.places(5)[:, 3:], both.places(5)[:, 3:])
    assert not alone.places(5)[:, 2].any()
