"""Classes that are Gaussian clouds."""

from typing import Any

import torch
from torch import Tensor

from overparam.data.module import Pool, PoolDataModule
from overparam.models.checks import check_positive_integer
from overparam.randomness import generator
from overparam.ranges import NonNegativeFloat, PositiveInt


class GaussianMixture(PoolDataModule):
    """x = μ_y + N(0, I_d), the class y uniform among K; any two centers are `separation` apart.

    The centers are the corners of a regular simplex around the origin, in a random orientation. Between two
    classes the least possible error is Φ(-separation / 2), and linear rules attain it.

    The stream "centers" draws the orientation, "labels" and "inputs" the pool, "test labels" and "test inputs"
    the test set.

    Args:
        input_dim: d >= K.
        num_outputs: K.
        separation: distance between centers, in standard deviations of a cloud.
        pool_size: samples that may be trained on.
        test_size: samples in the test set.
        common: see `PoolDataModule`.
    """

    def __init__(
        self,
        *,
        input_dim: PositiveInt = 20,
        num_outputs: PositiveInt = 2,
        separation: NonNegativeFloat = 3.0,
        pool_size: PositiveInt = 4000,
        test_size: PositiveInt = 2000,
        **common: Any,
    ) -> None:
        for name, value in {"pool_size": pool_size, "test_size": test_size}.items():
            check_positive_integer(f"data.{name}", value)
        if not 2 <= num_outputs <= input_dim:
            raise ValueError(
                f"data.num_outputs must be between 2 and data.input_dim={input_dim}, got {num_outputs}"
            )
        if separation < 0:
            raise ValueError(f"data.separation must be 0 or more, got {separation}")
        super().__init__(input_shape=(input_dim,), num_outputs=num_outputs, pool_size=pool_size, **common)
        self.separation, self.test_size = separation, test_size

    def centers(self) -> Tensor:
        """Return μ [K, d], float64."""
        shape = (*self.input_shape, self.num_outputs)
        basis, _ = torch.linalg.qr(
            torch.randn(*shape, dtype=torch.float64, generator=generator(self.seed, "centers"))
        )
        corners = basis.T * (self.separation / 2**0.5)
        return corners - corners.mean(0)

    def load(self) -> Pool:
        """Draw the pool and the test set."""
        centers = self.centers()

        def draw(prefix: str, size: int) -> tuple[Tensor, Tensor]:
            y = torch.randint(self.num_outputs, (size,), generator=generator(self.seed, f"{prefix}labels"))
            rng = generator(self.seed, f"{prefix}inputs")
            noise = torch.randn(size, *self.input_shape, dtype=torch.float64, generator=rng)
            return (centers[y] + noise).float(), y

        return Pool(*draw("", self.pool_size), *draw("test ", self.test_size))
