"""Gaussian inputs and a smooth target that no network represents exactly: regression on sines."""

from typing import Any, Literal

import torch
from torch import Tensor

from overparam.data.module import Pool, PoolDataModule
from overparam.data.teacher import DTYPES
from overparam.randomness import generator
from overparam.ranges import NonNegativeFloat, NonNegativeInt, PositiveInt


class Sine(PoolDataModule):
    """y = sin(x_1 + ... + x_a) + c cos(x_{a+1} + ... + x_{a+b}), x ~ N(0, I_d).

    `label_noise` adds N(0, label_noise²) to the training targets; test targets are clean. A sum of k coordinates is
    N(0, k), so that sin and cos of it have the variances (1 - e^-2k) / 2 and (1 - e^-k)² / 2. Everything is drawn in
    float64 and then rounded to `dtype`. The stream "inputs" draws the pool, "test inputs" the test set.

    Args:
        input_dim: d.
        sine_dims: a, coordinates under the sine; they come first.
        cosine_dims: b, coordinates under the cosine, the next; 0 leaves it out.
        cosine_weight: c.
        pool_size: samples that may be trained on.
        test_size: samples in the test set.
        dtype: "float32" or "float64".
        common: see `PoolDataModule`.

    Raises:
        ValueError: if a + b is above d.
    """

    def __init__(
        self,
        *,
        input_dim: PositiveInt = 20,
        sine_dims: PositiveInt = 5,
        cosine_dims: NonNegativeInt = 5,
        cosine_weight: NonNegativeFloat = 0.5,
        pool_size: PositiveInt = 1000,
        test_size: PositiveInt = 1000,
        dtype: Literal["float32", "float64"] = "float32",
        **common: Any,
    ) -> None:
        if sine_dims + cosine_dims > input_dim:
            raise ValueError(
                f"data.sine_dims and data.cosine_dims must be at most data.input_dim={input_dim} together, "
                f"got {sine_dims} and {cosine_dims}"
            )
        super().__init__(
            input_shape=(input_dim,), num_outputs=1, pool_size=pool_size, task="regression", **common
        )
        self.sine_dims, self.cosine_dims, self.cosine_weight = sine_dims, cosine_dims, cosine_weight
        self.test_size, self.dtype = test_size, DTYPES[dtype]

    def load(self) -> Pool:
        """Draw the pool and the test set."""

        def draw(stream: str, size: int) -> tuple[Tensor, Tensor]:
            rng = generator(self.seed, stream)
            x = torch.randn(size, *self.input_shape, dtype=torch.float64, generator=rng)
            first, second = x[:, : self.sine_dims], x[:, self.sine_dims : self.sine_dims + self.cosine_dims]
            y = first.sum(1).sin()
            if self.cosine_dims:
                y = y + self.cosine_weight * second.sum(1).cos()
            return x.to(self.dtype), y[:, None].to(self.dtype)

        return Pool(*draw("inputs", self.pool_size), *draw("test inputs", self.test_size))
