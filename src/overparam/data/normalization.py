"""From uint8 images to what a network is given."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Normalization:
    """(x / 255 - mean) / std for each channel, of uint8 images [..., C, H, W], as float32.

    Args:
        scale: 1 / (255 std), [C, 1, 1].
        shift: -mean / std, [C, 1, 1].
    """

    scale: Tensor
    shift: Tensor

    @classmethod
    def of(cls, mean: Sequence[float], std: Sequence[float]) -> "Normalization":
        """Return the normalization by the channels' means and standard deviations on the scale 0..1."""
        m, s = (torch.tensor(v, dtype=torch.float64).view(-1, 1, 1) for v in (mean, std))
        return cls((1 / (255 * s)).float(), (-m / s).float())

    def to(self, device: torch.device) -> "Normalization":
        """Return the normalization for images on `device`."""
        return Normalization(self.scale.to(device), self.shift.to(device))

    def __call__(self, images: Tensor) -> Tensor:
        """Return the normalized images, float32 and contiguous."""
        return images.to(torch.float32, copy=True).mul_(self.scale).add_(self.shift)
