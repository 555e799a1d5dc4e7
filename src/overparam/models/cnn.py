"""Plain convolutional networks: the five-layer CNN of Nakkiran et al. 2019 and shorter ones of its kind."""

from torch import nn

from overparam.models.checks import check_width, image_channels
from overparam.ranges import PositiveInt


class CNN(nn.Sequential):
    """Convolutional stages of width k, 2k, 4k, ..., a global max-pool and a linear readout.

    A stage is a 3x3 convolution (stride 1, padding 1, with bias), BatchNorm and ReLU; every stage but the
    first and the last ends in a 2x2 max-pool, and the last in a global one. With four stages on 32x32
    images these are the max-pools of size 1, 2, 2, 8 of Nakkiran et al. 2019, itself after the "Myrtle5"
    network of Page 2018; the global pool is what carries it to other image sizes.

    P = 378 k^2 + (9 C + 45 + 8 K) k + K with four stages: 1,558,026 for k = 64, C = 3, K = 10.

    Initialization is PyTorch's default, as in the authors' code: U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for
    weights and biases, BatchNorm scale 1 and shift 0.

    Args:
        input_shape: (C, H, W).
        num_outputs: K.
        width: k, channels of the first stage.
        stages: number of convolutions; with the readout, the network has stages + 1 layers.

    Raises:
        ValueError: for a width that is not a positive integer, samples that are not images, fewer than one
            stage, or images too small for the max-pools.
    """

    def __init__(
        self, input_shape: tuple[int, ...], num_outputs: int, width: PositiveInt, stages: PositiveInt = 4
    ) -> None:
        check_width(width)
        channels = image_channels(input_shape)
        if stages < 1:
            raise ValueError(f"stages must be at least 1, got {stages}")
        smallest = 2 ** max(stages - 2, 0)
        if min(input_shape[1:]) < smallest:
            raise ValueError(
                f"{stages} stages need images of at least {smallest}x{smallest}, got {tuple(input_shape)}: "
                "lower model.stages"
            )
        layers: list[nn.Module] = []
        for stage in range(stages):
            out_channels = width * 2**stage
            layers += [
                nn.Conv2d(channels, out_channels, kernel_size=3, padding=1),
                nn.BatchNorm2d(out_channels),
                nn.ReLU(),
            ]
            if 0 < stage < stages - 1:
                layers.append(nn.MaxPool2d(2))
            channels = out_channels
        super().__init__(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(channels, num_outputs))
