"""Addition modulo a number: the task on which networks memorize first and generalize much later."""

from typing import Any

import torch
import torch.nn.functional as F

from overparam.data.module import Pool, PoolDataModule
from overparam.models.checks import check_positive_integer
from overparam.randomness import generator
from overparam.ranges import PositiveInt


class ModularAddition(PoolDataModule):
    """(a, b) -> a + b mod p, for all p² pairs; an input is the two numbers, each one-hot: 2p entries, K = p classes.

    The table of Power et al. 2022 ("Grokking", arXiv:2201.02177). It is finite and without noise: `pool_size` pairs,
    drawn by the stream "pairs", may be trained on, and all others are the test set.

    Args:
        modulus: p.
        pool_size: pairs that may be trained on, below p².
        common: see `PoolDataModule`.

    Raises:
        ValueError: if `pool_size` leaves nothing to test on.
    """

    def __init__(self, *, modulus: PositiveInt = 23, pool_size: PositiveInt = 300, **common: Any) -> None:
        check_positive_integer("data.modulus", modulus)
        check_positive_integer("data.pool_size", pool_size)
        if pool_size >= modulus**2:
            raise ValueError(
                f"data.pool_size must be below the {modulus**2} pairs there are, got {pool_size}"
            )
        super().__init__(input_shape=(2 * modulus,), num_outputs=modulus, pool_size=pool_size, **common)
        self.modulus = modulus

    def load(self) -> Pool:
        """Draw which pairs are the pool; the others are the test set."""
        p = self.modulus
        order = torch.randperm(p * p, generator=generator(self.seed, "pairs"))
        pairs = torch.cartesian_prod(torch.arange(p), torch.arange(p))[order]
        x, y = F.one_hot(pairs, p).flatten(1).float(), pairs.sum(1) % p
        split = self.pool_size
        return Pool(x[:split], y[:split], x[split:], y[split:])
