"""The 8x8 handwritten digits that ship inside scikit-learn: real images, no download."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from overparam.data.module import Pool, PoolDataModule
from overparam.randomness import generator
from overparam.ranges import NonNegativeInt

POOL_SIZE, TEST_SIZE = 1200, 597


class Digits(PoolDataModule):
    """Optical digits (Alpaydin & Kaynak 1998), 1x8x8, 10 classes: a pool of 1200 and a test set of 597.

    Grey levels 0..16 are divided by 16 and standardized with one mean and deviation, those of the pool.

    Args:
        classes: keep only these digits, as classes 0, 1, ... in this order; None is all ten.
        resplit: whether `seed` draws which images are the test set, and which the pool: two seeds' pools share two
            thirds of their images, which are standardized by those of all, to be the same numbers for every seed.
        common: see `PoolDataModule`.

    Raises:
        ValueError: for classes that are not two or more different digits, and as `PoolDataModule` does.
    """

    def __init__(
        self, *, classes: Sequence[NonNegativeInt] | None = None, resplit: bool = False, **common: Any
    ) -> None:
        self.resplit, self.split_seed = resplit, common.get("seed", 0) if resplit else 0
        self.classes = list(range(10) if classes is None else classes)
        if len(set(self.classes)) < max(2, len(self.classes)) or not set(self.classes) <= set(range(10)):
            raise ValueError(f"data.classes must be two or more different digits, got {self.classes}")
        pool_size = POOL_SIZE if classes is None else int(self._kept(_split(self.split_seed)[0]).sum())
        super().__init__(input_shape=(1, 8, 8), num_outputs=len(self.classes), pool_size=pool_size, **common)

    def load(self) -> Pool:
        """Return the standardized images and their classes."""
        pool, test = _split(self.split_seed)
        x = torch.from_numpy(_digits().images).float().unsqueeze(1) / 16
        scale = x if self.resplit else x[pool]
        x = (x - scale.mean()) / scale.std()
        self.black = float(x.min())
        y = torch.from_numpy(_digits().target).long()
        pool, test = pool[self._kept(pool)], test[self._kept(test)]
        number = torch.full((10,), -1)
        number[self.classes] = torch.arange(len(self.classes))
        return Pool(x[pool], number[y[pool]], x[test], number[y[test]])

    def _kept(self, rows: Tensor) -> Tensor:
        """Return which of these samples are of the wanted classes."""
        return torch.isin(torch.from_numpy(_digits().target)[rows], torch.tensor(self.classes))


def _split(seed: int) -> tuple[Tensor, Tensor]:
    """Return the samples of the pool and those of the test set."""
    order = torch.randperm(len(_digits().target), generator=generator(seed, "digits", "test split"))
    return order[:POOL_SIZE], order[POOL_SIZE:]


@cache
def _digits() -> Any:
    from sklearn.datasets import load_digits

    return load_digits()
