"""Linear regression on features of two scales: epoch-wise double descent with an exact solution."""

from typing import Any, Literal

import torch
from torch import Tensor

from overparam.data.module import Pool, PoolDataModule
from overparam.data.teacher import DTYPES
from overparam.models.checks import check_positive_integer
from overparam.randomness import generator
from overparam.ranges import NonNegativeFloat, PositiveFloat, PositiveInt


class TwoScale(PoolDataModule):
    """y = <x, θ> with fast features x_i ~ N(0, 1) and slow ones N(0, slow_scale²).

    Gradient descent learns a direction of variance λ at the rate λ. The fast features are learned, then overfit
    to the noise, before the slow ones are learned at all: with noise, the test error over time falls, rises
    and falls again (Heckel & Yilmaz 2021; Pezeshki et al. 2022). Both groups give the target the variance
    `signal_variance`, so both matter. Test targets are clean.

    Everything is drawn in float64 and then rounded to `dtype`. The stream "coefficients" draws θ, "inputs" the
    pool, "test inputs" the test set.

    Args:
        fast_dim: fast features; they come first.
        slow_dim: slow features.
        slow_scale: standard deviation of a slow feature.
        signal_variance: variance that each group gives the target.
        pool_size: samples that may be trained on.
        test_size: samples in the test set.
        dtype: "float32" or "float64".
        common: see `PoolDataModule`.
    """

    def __init__(
        self,
        *,
        fast_dim: PositiveInt = 80,
        slow_dim: PositiveInt = 20,
        slow_scale: PositiveFloat = 0.05,
        signal_variance: NonNegativeFloat = 1.0,
        pool_size: PositiveInt = 1000,
        test_size: PositiveInt = 1000,
        dtype: Literal["float32", "float64"] = "float64",
        **common: Any,
    ) -> None:
        sizes = {"fast_dim": fast_dim, "slow_dim": slow_dim, "pool_size": pool_size, "test_size": test_size}
        for name, value in sizes.items():
            check_positive_integer(f"data.{name}", value)
        if slow_scale <= 0 or signal_variance < 0:
            raise ValueError("data.slow_scale must be positive, and data.signal_variance 0 or more")
        super().__init__(
            input_shape=(fast_dim + slow_dim,),
            num_outputs=1,
            pool_size=pool_size,
            task="regression",
            **common,
        )
        self.fast_dim, self.slow_dim, self.slow_scale = fast_dim, slow_dim, slow_scale
        self.signal_variance, self.test_size, self.dtype = signal_variance, test_size, DTYPES[dtype]

    def eigenvalues(self) -> Tensor:
        """Return the variances of the features [fast_dim + slow_dim], float64."""
        slow = torch.full((self.slow_dim,), self.slow_scale**2, dtype=torch.float64)
        return torch.cat([torch.ones(self.fast_dim, dtype=torch.float64), slow])

    def coefficients(self) -> Tensor:
        """Return θ [fast_dim + slow_dim], float64: uniform in direction within each group."""
        rng = generator(self.seed, "coefficients")
        sizes, scales = (self.fast_dim, self.slow_dim), (1.0, self.slow_scale)
        groups = [torch.randn(size, dtype=torch.float64, generator=rng) for size in sizes]
        std = self.signal_variance**0.5
        return torch.cat([g * (std / (s * g.norm())) for g, s in zip(groups, scales, strict=True)])

    def load(self) -> Pool:
        """Draw the pool and the test set."""
        theta, std = self.coefficients(), self.eigenvalues().sqrt()

        def draw(stream: str, size: int) -> tuple[Tensor, Tensor]:
            rng = generator(self.seed, stream)
            x = std * torch.randn(size, len(std), dtype=torch.float64, generator=rng)
            return x.to(self.dtype), (x @ theta)[:, None].to(self.dtype)

        return Pool(*draw("inputs", self.pool_size), *draw("test inputs", self.test_size))
