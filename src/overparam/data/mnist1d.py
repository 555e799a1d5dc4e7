"""Ten one-dimensional shapes, moved, stretched, tilted and buried in noise."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from overparam.data.module import Pool, PoolDataModule
from overparam.models.checks import check_positive_integer
from overparam.randomness import generator
from overparam.ranges import PositiveInt

# One shape a class, 12 heights each: loosely the outlines of the digits 0 to 9, drawn for this lab.
SHAPES = (
    (0, 3, 5, 6, 6.5, 6.5, 6.5, 6.5, 6, 5, 3, 0),
    (0, 0.5, 1, 2, 4, 7, -3, -3, -2, -1, -0.5, 0),
    (2, 4, 5, 4, 2, 0, -2, -4, -5, -5, -5, -5),
    (3, 4, 3, 1, 0, 1, 0, -1, -3, -4, -3, -1),
    (4, 3, 2, 1, 0, 0, 0, 0, 5, -4, -4, -4),
    (-4, -4, 0, 0, 0, 2, 4, 5, 4, 2, 0, -2),
    (5, 3, 1, -1, -3, -4, -5, -4, -3, -3, -4, -5),
    (4, 4, 4, 4, 4, 3, 2, 0, -2, -4, -5, -6),
    (0, 3, 4, 3, 0, -3, 0, 3, 4, 3, 0, -3),
    (-3, -4, -3, 0, 3, 4, 3, 2, 1, 0, -1, -2),
)
CANVAS = 72  # samples of a signal before it is resampled to the input's length
PAD = (36, 60)  # flat samples after the shape: more of them make it narrower
HEIGHT = 0.25  # standard deviation of a shape; an MLP of 2x100 then errs on .40, a small CNN on .05
SHIFT, STRETCH, TILT = 48, 0.4, 0.75  # ranges of position, height and slope
SMOOTH_NOISE, WHITE_NOISE = (
    0.25,
    0.02,
)  # standard deviations before smoothing; beside the shape, and everywhere


class MNIST1D(PoolDataModule):
    """Signals of `length` samples in ten classes, in the manner of MNIST-1D (Greydanus 2020).

    A class is a shape. Each signal places it somewhere in a flat line, a little narrower or wider, higher or
    lower; fills the line around it with smooth noise; adds white noise; tilts it; and resamples the whole.
    The shapes are ours, so published accuracies on MNIST-1D are a neighbor's, not a target.

    The streams "labels", "shapes" and "noise" draw the pool, "test labels" and so on the test set.

    Args:
        length: samples of a signal.
        pool_size: signals that may be trained on.
        test_size: signals in the test set.
        common: see `PoolDataModule`.
    """

    def __init__(
        self,
        *,
        length: PositiveInt = 40,
        pool_size: PositiveInt = 4000,
        test_size: PositiveInt = 1000,
        **common: Any,
    ) -> None:
        for name, value in {"length": length, "pool_size": pool_size, "test_size": test_size}.items():
            check_positive_integer(f"data.{name}", value)
        super().__init__(input_shape=(length,), num_outputs=len(SHAPES), pool_size=pool_size, **common)
        self.length, self.test_size = length, test_size

    def load(self) -> Pool:
        """Draw the pool and the test set."""
        return Pool(*self._draw("", self.pool_size), *self._draw("test ", self.test_size))

    def _draw(self, prefix: str, size: int) -> tuple[Tensor, Tensor]:
        y = torch.randint(len(SHAPES), (size,), generator=generator(self.seed, f"{prefix}labels"))
        rng = generator(self.seed, f"{prefix}shapes")
        pad = torch.randint(PAD[0], PAD[1] + 1, (size, 1), generator=rng)
        shift = torch.randint(SHIFT, (size, 1), generator=rng)
        height, tilt = torch.rand(2, size, 1, dtype=torch.float64, generator=rng) - 0.5

        shapes = torch.tensor(SHAPES, dtype=torch.float64)
        shapes = HEIGHT * (shapes - shapes.mean(1, keepdim=True)) / shapes.std(1, keepdim=True)
        line = F.pad(shapes, (0, CANVAS))[y]
        # Sample j of the canvas looks at a place of the shape followed by `pad` flat samples, read linearly.
        place = (torch.arange(CANVAS) - shift) % CANVAS * (shapes.shape[1] + pad - 1) / (CANVAS - 1)
        left, weight = place.long(), place.frac()
        signal = line.gather(1, left) * (1 - weight) + line.gather(1, left + 1) * weight
        signal = signal * (1 + STRETCH * height)

        rng = generator(self.seed, f"{prefix}noise")
        smooth, white = torch.randn(2, size, CANVAS, dtype=torch.float64, generator=rng)
        flat = place >= shapes.shape[1]
        signal = torch.where(flat, SMOOTH_NOISE * _smoothed(smooth), signal) + WHITE_NOISE * white
        signal = signal - TILT * tilt * torch.linspace(-0.5, 0.5, CANVAS, dtype=torch.float64)
        resampled = F.interpolate(signal[:, None], self.length, mode="linear", align_corners=True)
        return resampled[:, 0].float(), y


def _smoothed(noise: Tensor, width: float = 2.0) -> Tensor:
    """Return noise [N, L] convolved with a Gaussian of `width` samples."""
    offsets = torch.arange(-8, 9, dtype=noise.dtype)
    kernel = torch.exp(-0.5 * (offsets / width) ** 2)
    return F.conv1d(noise[:, None], (kernel / kernel.sum())[None, None], padding=8)[:, 0]
