"""Wide residual networks WRN-d-k (Zagoruyko & Komodakis 2016)."""

from collections import OrderedDict

from torch import nn

from overparam.models.checks import check_positive_integer, check_width, image_channels
from overparam.models.preact_resnet import PreActBlock
from overparam.ranges import BelowOne, PositiveInt


class WideResNet(nn.Sequential):
    """A 3x3 convolution to w channels, three pre-activation stages of width wk, 2wk, 4wk, BN, ReLU, readout.

    Depth d = 6n + 4 with n blocks a stage (stem, two convolutions a block, three shortcut convolutions).
    With w = 16, C = 3, K = 10: WRN-40-4 has P = 8,949,210, WRN-28-10 36,479,194, WRN-16-8 10,961,370.

    Initialization, as in the authors' Torch code: convolutions N(0, 2/fan_out), readout weights
    U(-1/sqrt(fan_in), 1/sqrt(fan_in)) with bias 0, BatchNorm scale 1 and shift 0.

    Args:
        input_shape: (C, H, W).
        num_outputs: K.
        width: w, base channel count; 16 in the paper.
        depth: d = 6n + 4.
        widen_factor: k, a positive integer.
        dropout: probability of zeroing an input of a block's second convolution, in training only.

    Raises:
        ValueError: for a width or widening factor that is not a positive integer, samples that are not
            images, a depth that is not 6n + 4, or a dropout outside [0, 1].
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_outputs: int,
        width: PositiveInt,
        depth: PositiveInt = 28,
        widen_factor: PositiveInt = 10,
        dropout: BelowOne = 0.0,
    ) -> None:
        check_width(width)
        check_positive_integer("widen_factor", widen_factor)
        if depth < 10 or (depth - 4) % 6:
            raise ValueError(f"depth must be 6n + 4, that is 10, 16, 22, 28, 34, 40 ..., got {depth}")
        modules: OrderedDict[str, nn.Module] = OrderedDict()
        modules["conv1"] = nn.Conv2d(image_channels(input_shape), width, 3, padding=1, bias=False)
        channels = width
        for stage in range(3):
            out_channels = width * widen_factor * 2**stage
            blocks = []
            for block in range((depth - 4) // 6):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(PreActBlock(channels, out_channels, stride, dropout))
                channels = out_channels
            modules[f"layer{stage + 1}"] = nn.Sequential(*blocks)
        modules["bn"] = nn.BatchNorm2d(channels)
        modules["relu"] = nn.ReLU()
        modules["pool"] = nn.AdaptiveAvgPool2d(1)
        modules["flatten"] = nn.Flatten()
        readout = modules["fc"] = nn.Linear(channels, num_outputs)
        super().__init__(modules)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(readout.bias)
