"""Random crops, flips and cutout as batched tensor operations on the training device."""

import math
from functools import lru_cache

import torch
from torch import Tensor

from overparam.randomness import generator


class Augmentation:
    """Changes every image of a batch at random, as drawn for its place in the epoch.

    * Crop: `crop` pixels of black on every side, then a window of the image's own size, uniform among the
      (2 crop + 1)² places (He et al. 2016).
    * Flip: left and right exchanged with probability 1/2.
    * Cutout: a square of side `cutout` around a uniformly drawn pixel, cut off at the border, becomes the
      mean color (DeVries & Taylor 2017).

    Each of the three has a stream of its own, so switching one on does not change what another draws.

    Args:
        shape: (C, H, W) of an image.
        n: samples in the training set.
        seed: root of the streams "augmentation/crop", "augmentation/flip" and "augmentation/cutout".
        crop: pixels of padding; 0 is off.
        flip: whether to flip.
        cutout: side of the square in pixels; 0 is off.
        black: what padding is filled with.
        mean: what the square is filled with, [C, 1, 1], on the images' device and of their dtype.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        n: int,
        seed: int,
        *,
        crop: int,
        flip: bool,
        cutout: int,
        black: float,
        mean: Tensor,
    ) -> None:
        self.shape, self.n, self.seed = shape, n, seed
        self.crop, self.flip, self.cutout = crop, flip, cutout
        self.black, self.mean = black, mean
        self.padded = (shape[0], shape[1] + 2 * crop, shape[2] + 2 * crop)
        self.draw = lru_cache(maxsize=2)(self._draw)
        self._canvas: Tensor | None = None

    def places(self, epoch: int) -> Tensor:
        """Return what an epoch draws [n, 5]: crop top and left, flipped or not, the square's row and column."""
        _, height, width = self.shape
        limits = {
            "crop": (2 * self.crop + 1, 2 * self.crop + 1),
            "flip": (2 if self.flip else 1,),
            "cutout": (height, width),
        }
        return torch.stack(
            [
                torch.randint(limit, (self.n,), generator=rng)
                for name, each in limits.items()
                for rng in [generator(self.seed, "augmentation", name, epoch)]
                for limit in each
            ],
            dim=1,
        )

    def _draw(self, epoch: int) -> Tensor:
        """Return the draws [n, 3] of an epoch: where a crop's memory starts, the square's row and column."""
        top, left, flipped, row, column = self.places(epoch).unbind(1)
        # The mirrored image stands after the other, and what is at the left in one is at the right in the other.
        left = torch.where(flipped == 1, 2 * self.crop - left, left)
        start = flipped * math.prod(self.padded) + top * self.padded[2] + left
        return torch.stack([start, row, column], dim=1)

    def __call__(self, images: Tensor, draws: Tensor) -> Tensor:
        """Return the changed images [N, C, H, W], of the same dtype.

        Args:
            images: the images as stored.
            draws: a row of `draw` for each, [N, 3], on the same device.
        """
        start, row, column = draws.unbind(1)
        if self.crop or self.flip:
            images = self._crop_and_flip(images, start)
        if self.cutout:
            hidden = self._hidden(row, images.shape[2])[:, None, :, None]
            hidden = hidden & self._hidden(column, images.shape[3])[:, None, None, :]
            images = torch.where(hidden, self.mean, images)
        return images

    def _crop_and_flip(self, images: Tensor, start: Tensor) -> Tensor:
        # A window of a padded image is a run of its memory, read with the padded image's strides:
        # index_select of such runs crops the batch, and beside a mirrored copy a flip is a choice of run.
        count, channels, height, width = images.shape
        copies, pad = 2 if self.flip else 1, self.crop
        if self._canvas is None or len(self._canvas) != count:  # its black border stays from batch to batch
            self._canvas = images.new_full((count, copies, *self.padded), self.black)
            self._image = torch.arange(count, device=images.device) * self._canvas.stride(0)
        inside = self._canvas[..., pad : pad + height, pad : pad + width]
        inside[:, 0] = images
        if self.flip:
            inside[:, 1] = images.flip(-1)
        _, _, plane, line, _ = self._canvas.stride()
        run = (channels - 1) * plane + (height - 1) * line + width
        runs = self._canvas.as_strided((self._canvas.numel() - run + 1, run), (1, 1))
        crops = runs.index_select(0, self._image + start)
        return crops.as_strided((count, channels, height, width), (run, plane, line, 1))

    def _hidden(self, center: Tensor, size: int) -> Tensor:
        """Return which of `size` rows (or columns) the squares around `center` [N] cover, [N, size]."""
        offset = torch.arange(size, device=center.device) - center[:, None] + self.cutout // 2
        return (offset >= 0) & (offset < self.cutout)
