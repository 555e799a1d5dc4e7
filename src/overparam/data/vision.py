"""The image datasets of torchvision, as uint8 tensors."""

import logging
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import torch
from torchvision import datasets

from overparam.data.cifar import read_batches
from overparam.data.files import differing, fetch, svhn_without_checksums
from overparam.data.module import Pool, PoolDataModule
from overparam.data.normalization import Normalization

log = logging.getLogger(__name__)


class Vision(PoolDataModule):
    """A dataset of torchvision: its training split is the pool, its test split the test set.

    Images stay uint8 and are normalized batch by batch with one mean and standard deviation for each channel,
    those of the whole official training split, whatever is trained on.

    Args:
        root: the folder torchvision keeps its datasets in.
        download: whether files that are missing may be downloaded.
        common: see `PoolDataModule`.
    """

    source: ClassVar[Any]  # torchvision's class
    shape: ClassVar[tuple[int, int, int]]
    classes: ClassVar[int] = 10
    samples: ClassVar[int]
    mean: ClassVar[tuple[float, ...]]
    std: ClassVar[tuple[float, ...]]

    def __init__(self, *, root: str = "logs/data", download: bool = False, **common: Any) -> None:
        super().__init__(input_shape=self.shape, num_outputs=self.classes, pool_size=self.samples, **common)
        self.root, self.download = Path(root).expanduser().absolute(), download
        self.normalization = Normalization.of(self.mean, self.std)
        self._all = common.get("n_train") is None

    def prepare_data(self) -> None:
        """Check that the dataset's files exist and hold enough samples; unpack or download them if asked to.

        Raises:
            ValueError: if they are not or do not, with what to do.
        """
        fetch(self.source, self.root, self.download)
        self.load()

    def load(self) -> Pool:
        """Read the files; the last two datasets read are kept, for the next runs of this process."""
        pool = _read(self.source, self.root)
        where, held = f"{self.source.__name__} in {self.root}", len(pool.train_y)
        labels = torch.cat([pool.train_y, pool.test_y])
        if labels.min() < 0 or labels.max() >= self.classes:
            raise ValueError(
                f"{where} has labels from {labels.min()} to {labels.max()}, not {self.classes} classes"
            )
        for x in (pool.train_x, pool.test_x):
            if tuple(x.shape[1:]) != self.shape:
                raise ValueError(f"{where} has images of shape {tuple(x.shape[1:])}, not {self.shape}")
        if held < self.n_train and not self._all:
            raise ValueError(f"data.n_train={self.n_train}, but {where} holds {held} training images")
        self.n_train = min(self.n_train, held)
        self.batch_size = min(self.batch_size, held)
        return pool


@lru_cache(maxsize=2)
def _read(source: Any, root: Path) -> Pool:
    if unlike := differing(source, root):
        log.warning("%s: not as published, used all the same: %s", root, ", ".join(unlike))
    try:
        if issubclass(source, datasets.CIFAR10):
            folder = root / source.base_folder
            tensors = [
                read_batches([folder / name for name, _ in part])
                for part in (source.train_list, source.test_list)
            ]
        elif source is datasets.SVHN:
            reader = svhn_without_checksums()
            splits = [reader(root, split=split) for split in ("train", "test")]
            tensors = [(torch.from_numpy(s.data), torch.from_numpy(s.labels)) for s in splits]
        else:
            splits = [source(root, train=train) for train in (True, False)]
            tensors = [(s.data.unsqueeze(1), s.targets) for s in splits]
    except Exception as error:
        raise ValueError(f"{source.__name__} in {root} cannot be read: {error!r}") from error
    (train_x, train_y), (test_x, test_y) = tensors
    return Pool(train_x.contiguous(), train_y, test_x.contiguous(), test_y)


class MNIST(Vision):
    """Handwritten digits (LeCun et al. 1998): 60,000 + 10,000 of 1x28x28, 10 classes."""

    source, shape, samples = datasets.MNIST, (1, 28, 28), 60_000
    mean, std = (0.1307,), (0.3081,)


class FashionMNIST(Vision):
    """Articles of clothing (Xiao et al. 2017): 60,000 + 10,000 of 1x28x28, 10 classes."""

    source, shape, samples = datasets.FashionMNIST, (1, 28, 28), 60_000
    mean, std = (0.2860,), (0.3530,)


class KMNIST(Vision):
    """Cursive Japanese characters (Clanuwat et al. 2018): 60,000 + 10,000 of 1x28x28, 10 classes."""

    source, shape, samples = datasets.KMNIST, (1, 28, 28), 60_000
    mean, std = (0.1918,), (0.3483,)


class CIFAR10(Vision):
    """Natural images (Krizhevsky 2009): 50,000 + 10,000 of 3x32x32, 10 classes."""

    source, shape, samples = datasets.CIFAR10, (3, 32, 32), 50_000
    mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class CIFAR100(Vision):
    """Natural images (Krizhevsky 2009): 50,000 + 10,000 of 3x32x32, 100 classes."""

    source, shape, classes, samples = datasets.CIFAR100, (3, 32, 32), 100, 50_000
    mean, std = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)


class SVHN(Vision):
    """House numbers (Netzer et al. 2011), no extra split: 73,257 + 26,032 of 3x32x32, 10 classes."""

    source, shape, samples = datasets.SVHN, (3, 32, 32), 73_257
    mean, std = (0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)
