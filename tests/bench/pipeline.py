"""(c) The input pipeline with crop and flip, against torchvision's transforms in a DataLoader."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import CIFAR10

from overparam.data.augmentation import Augmentation
from overparam.data.loader import BatchOrder, ChunkLoader
from overparam.data.vision import CIFAR10 as Images
from tests.bench.pairs import DEVICE, Result, clock, middle, paired, ratio

SHAPE, BATCH = (3, 32, 32), 125
COUNTS = (1000, 8000)


def images(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images [count, 32, 32, 3] and labels; what is in them does not matter here."""
    rng = np.random.default_rng(0)
    return rng.integers(256, size=(count, 32, 32, 3), dtype=np.uint8), rng.integers(10, size=count)


def lab(count: int) -> Iterator[Any]:
    """Chunks of batches, as a run gets them."""
    x, y = images(count)
    stored = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous().to(DEVICE)
    data = Images(crop=4, flip=True)
    assert data.normalization is not None
    normalization = data.normalization.to(DEVICE)
    mean = torch.zeros(3, 1, 1, dtype=torch.uint8, device=DEVICE)
    augmentation = Augmentation(SHAPE, count, 0, crop=4, flip=True, cutout=0, black=0.0, mean=mean)
    order, steps = BatchOrder(count, BATCH, 0), count // BATCH + 1
    labels = torch.from_numpy(y).to(DEVICE)
    loader = ChunkLoader(stored, labels, order, lambda: 0, steps, [1], augmentation, normalization)
    return iter(loader)


def torchvision(count: int, num_workers: int) -> Iterator[Any]:
    """Batches as torchvision's own examples make them."""
    dataset = CIFAR10.__new__(CIFAR10)  # without its files
    x, y = images(count + BATCH)
    dataset.data, dataset.targets, dataset.target_transform = x, y.tolist(), None
    dataset.transform = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(Images.mean, Images.std),
        ]
    )
    return iter(DataLoader(dataset, BATCH, shuffle=True, num_workers=num_workers))


WAYS: dict[str, Callable[[int], Iterator[Any]]] = {
    "lab": lab,
    "torchvision": lambda count: torchvision(count, 0),
    "torchvision, 2 workers": lambda count: torchvision(count, 2),
}


def seconds(way: str, count: int) -> float:
    """Return the seconds that `count` images take once the first batch is there."""
    batches = WAYS[way](count)
    next(batches)
    started = clock()
    for x, _ in batches:
        x.to(DEVICE)
    return clock() - started


def run(short: bool) -> Result:
    """Time every way; the ratios are to the lab."""
    others = [way for way in WAYS if way != "lab"]
    table = [
        f"| images 3x32x32, crop and flip | lab | {' | '.join(f'{way} / lab' for way in others)} |",
        "|---|---|" + "---|" * len(others),
    ]
    result = Result(table, "Input pipeline, crop and flip", "images")
    for count in COUNTS[: 1 if short else None]:
        times = paired(WAYS, lambda way, n=count: seconds(way, n), 1 if short else 5)  # type: ignore[misc]
        ratios = [f"{ratio(times, way, 'lab'):.0f}x" for way in others]
        speed = f"{count / middle(times, 'lab'):,.0f} a second"
        table.append(f"| {count:,} | {speed} | {' | '.join(ratios)} |")
        for way in WAYS:
            result.add(way, count, middle(times, way))
    return result
