"""VGG networks of any width."""

from collections import OrderedDict
from typing import Literal, get_args

from torch import nn

from overparam.models.checks import check_choice, check_width, image_channels
from overparam.ranges import PositiveInt

Norm = Literal["none", "batch"]

CONVOLUTIONS_PER_STAGE: dict[int, tuple[int, ...]] = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
CHANNELS = (1, 2, 4, 8, 8)  # of each stage, in widths


class VGG(nn.Sequential):
    """Five stages of 3x3 convolutions of width w, 2w, 4w, 8w, 8w, average pooling and a linear readout.

    The convolutions of Simonyan & Zisserman 2015, table 1 (A, B, D, E), each with a bias, then BatchNorm if
    `norm` says so, and ReLU; a 2x2 max-pool ends a stage. Of the paper's three fully connected layers, made for
    224 pixels and most of its parameters, one is left, as is the custom for small images: so "VGG-16" has 13
    convolutions and one linear layer here. `plan.py --sizes` counts the paper's own.

    An odd side is pooled to the half rounded up, so that 28x28 images, and smaller ones, come through; 32x32
    ones end as one pixel.

    P = a w^2 + (9 C + b c + 8 K) w + K with b = 3 for "batch" and 1 for "none", and (a, c) = (2250, 43),
    (2295, 46), (3591, 66), (4887, 86) at depth 11, 13, 16, 19: 14,728,266 at depth 16 for w = 64, C = 3, K = 10,
    with BatchNorm.

    Initialization, as in torchvision: convolutions N(0, 2/fan_out), readout N(0, 0.01^2), biases 0, BatchNorm
    scale 1 and shift 0.

    Args:
        input_shape: (C, H, W).
        num_outputs: K.
        width: w, channels of the first stage; 64 in the paper.
        depth: the paper's count of layers, 11, 13, 16 or 19.
        norm: before each ReLU, "none" as in the paper or "batch".

    Raises:
        ValueError: for a width that is not a positive integer, samples that are not images, another depth or norm.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_outputs: int,
        width: PositiveInt,
        depth: PositiveInt = 16,
        norm: Norm = "batch",
    ) -> None:
        check_width(width)
        check_choice("depth", depth, tuple(CONVOLUTIONS_PER_STAGE))
        check_choice("norm", norm, get_args(Norm))
        modules: OrderedDict[str, nn.Module] = OrderedDict()
        channels = image_channels(input_shape)
        for stage, count in enumerate(CONVOLUTIONS_PER_STAGE[depth]):
            layers: list[nn.Module] = []
            for _ in range(count):
                out_channels = width * CHANNELS[stage]
                layers.append(nn.Conv2d(channels, out_channels, 3, padding=1))
                if norm == "batch":
                    layers.append(nn.BatchNorm2d(out_channels))
                layers.append(nn.ReLU())
                channels = out_channels
            modules[f"stage{stage + 1}"] = nn.Sequential(*layers, nn.MaxPool2d(2, ceil_mode=True))
        modules["pool"] = nn.AdaptiveAvgPool2d(1)
        modules["flatten"] = nn.Flatten()
        readout = modules["readout"] = nn.Linear(channels, num_outputs)
        super().__init__(modules)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        nn.init.normal_(readout.weight, std=0.01)
        nn.init.zeros_(readout.bias)
