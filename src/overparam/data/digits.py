"""The 8x8 handwritten digits that ship inside scikit-learn: real images, no download."""

from functools import cache
from typing import Any

import torch

from overparam.data.module import Pool, PoolDataModule
from overparam.randomness import generator

POOL_SIZE, TEST_SIZE = 1200, 597


class Digits(PoolDataModule):
    """Optical digits (Alpaydin & Kaynak 1998), 1x8x8, 10 classes: a pool of 1200 and a fixed test set of 597.

    Grey levels 0..16 are divided by 16 and standardized with one mean and deviation, those of the pool. The
    test set is the same for every seed.

    Args:
        common: see `PoolDataModule`.
    """

    def __init__(self, **common: Any) -> None:
        super().__init__(input_shape=(1, 8, 8), num_outputs=10, pool_size=POOL_SIZE, **common)

    def load(self) -> Pool:
        """Return the standardized images and their classes."""
        digits = _digits()
        x = torch.from_numpy(digits.images).float().unsqueeze(1) / 16
        y = torch.from_numpy(digits.target).long()
        order = torch.randperm(len(x), generator=generator(0, "digits", "test split"))
        pool, test = order[:POOL_SIZE], order[POOL_SIZE:]
        x = (x - x[pool].mean()) / x[pool].std()
        self.black = float(x.min())
        return Pool(x[pool], y[pool], x[test], y[test])


@cache
def _digits() -> Any:
    from sklearn.datasets import load_digits

    return load_digits()
