"""Linear regression on Gaussian inputs of a chosen covariance."""

from typing import Any, Literal

import torch
from torch import Tensor

from overparam.data.module import Pool, PoolDataModule
from overparam.data.teacher import DTYPES
from overparam.models.checks import check_positive_integer
from overparam.randomness import generator
from overparam.ranges import NonNegativeFloat, PositiveInt

Covariance = Literal["isotropic", "spiked", "power_law"]


class LinearRegression(PoolDataModule):
    """y = <x, θ>, x ~ N(0, diag(λ)); `label_noise` adds N(0, label_noise²) to the training targets.

    Test targets are clean, so the test error is the excess risk (f - θ)ᵀ Σ (f - θ) in expectation.

    * "isotropic": λ_i = 1 (Hastie et al. 2022, section 3).
    * "spiked": λ_1..λ_k = 1, and a flat tail of trace 1, λ_i = 1/(p - k) (Bartlett et al. 2020): interpolating
      noise is harmless when k << n << p. θ lies in the k leading directions, where there is something to learn.
    * "power_law": λ_i = i^-decay.

    Everything is drawn in float64 and then rounded to `dtype`. The stream "coefficients" draws θ, uniform in
    direction; "inputs" the pool, "test inputs" the test set.

    Args:
        input_dim: p.
        covariance: see above.
        spikes: k, for "spiked".
        decay: for "power_law".
        signal_norm: r², the squared norm of θ.
        pool_size: samples that may be trained on.
        test_size: samples in the test set.
        dtype: "float32" or "float64".
        common: see `PoolDataModule`.
    """

    def __init__(
        self,
        *,
        input_dim: PositiveInt = 100,
        covariance: Covariance = "isotropic",
        spikes: PositiveInt = 5,
        decay: NonNegativeFloat = 1.0,
        signal_norm: NonNegativeFloat = 1.0,
        pool_size: PositiveInt = 1000,
        test_size: PositiveInt = 1000,
        dtype: Literal["float32", "float64"] = "float64",
        **common: Any,
    ) -> None:
        sizes = {"input_dim": input_dim, "spikes": spikes, "pool_size": pool_size, "test_size": test_size}
        for name, value in sizes.items():
            check_positive_integer(f"data.{name}", value)
        if covariance == "spiked" and spikes >= input_dim:
            raise ValueError(f"data.spikes must be below data.input_dim={input_dim}, got {spikes}")
        if signal_norm < 0:
            raise ValueError(f"data.signal_norm must be 0 or more, got {signal_norm}")
        super().__init__(
            input_shape=(input_dim,), num_outputs=1, pool_size=pool_size, task="regression", **common
        )
        self.input_dim, self.covariance, self.spikes, self.decay = input_dim, covariance, spikes, decay
        self.signal_norm, self.test_size, self.dtype = signal_norm, test_size, DTYPES[dtype]

    def eigenvalues(self) -> Tensor:
        """Return λ [p], the covariance of the inputs, float64."""
        if self.covariance == "power_law":
            return torch.arange(1, self.input_dim + 1, dtype=torch.float64) ** -self.decay
        values = torch.ones(self.input_dim, dtype=torch.float64)
        if self.covariance == "spiked":
            values[self.spikes :] = 1 / (self.input_dim - self.spikes)
        return values

    def coefficients(self) -> Tensor:
        """Return θ [p], float64."""
        theta = torch.randn(
            self.input_dim, dtype=torch.float64, generator=generator(self.seed, "coefficients")
        )
        if self.covariance == "spiked":
            theta[self.spikes :] = 0
        return theta * (self.signal_norm**0.5 / theta.norm())

    def load(self) -> Pool:
        """Draw the pool and the test set."""
        theta, std = self.coefficients(), self.eigenvalues().sqrt()

        def draw(stream: str, size: int) -> tuple[Tensor, Tensor]:
            rng = generator(self.seed, stream)
            x = std * torch.randn(size, self.input_dim, dtype=torch.float64, generator=rng)
            return x.to(self.dtype), (x @ theta)[:, None].to(self.dtype)

        return Pool(*draw("inputs", self.pool_size), *draw("test inputs", self.test_size))
