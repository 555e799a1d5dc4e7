"""The CIFAR ResNets of He et al. 2016: ResNet-20, -32, -44, -56, -110, -1202, of any width."""

from collections import OrderedDict

import torch.nn.functional as F
from torch import Tensor, nn

from overparam.models.checks import check_choice, check_width, image_channels
from overparam.ranges import PositiveInt


class ZeroPadShortcut(nn.Module):
    """Option A: every `stride`-th pixel, and zeros for the channels that are not there. No parameters."""

    def __init__(self, new_channels: int, stride: int) -> None:
        super().__init__()
        self.new_channels = new_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C + new_channels, ceil(H / stride), ceil(W / stride)]."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new_channels))


class BasicBlock(nn.Module):
    """ReLU(BN(conv(ReLU(BN(conv(x))))) + shortcut(x)), convolutions 3x3 without bias.

    Args:
        in_channels: channels in.
        out_channels: channels out.
        stride: of the first convolution and of the shortcut.
        shortcut: what crosses a change of shape: "A" zero padding, "B" a 1x1 convolution with BatchNorm.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, shortcut: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if in_channels != out_channels and shortcut == "A":
            self.shortcut = ZeroPadShortcut(out_channels - in_channels, stride)
        elif in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """[N, in_channels, H, W] -> [N, out_channels, ceil(H / stride), ceil(W / stride)]."""
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


class ResNetCifar(nn.Sequential):
    """A 3x3 convolution, three stages of n blocks and width w, 2w, 4w, average pooling, a linear readout.

    He et al. 2016, "Deep Residual Learning for Image Recognition", section 4.2. Depth 6n + 2 counts the stem,
    two convolutions a block, and the readout. With option A and K outputs,
    P = (378 n - 90) w^2 + (28 n + 2 + 9 C + 4 K) w + K: 269,722 for ResNet-20 (w = 16, C = 3, K = 10).
    Option B adds 10 w^2 + 12 w.

    Initialization: weights N(0, 2/fan_in), the forward variant of He et al. 2015, which the paper adopts;
    BatchNorm scale 1, all biases 0.

    Args:
        input_shape: (C, H, W).
        num_outputs: K.
        width: w, channels of the first stage; 16 in the paper.
        depth: 6n + 2.
        shortcut: "A" (the paper's choice on CIFAR) or "B", see `BasicBlock`.

    Raises:
        ValueError: for a width that is not a positive integer, samples that are not images, a depth that is
            not 6n + 2, or another shortcut.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_outputs: int,
        width: PositiveInt,
        depth: PositiveInt = 20,
        shortcut: str = "A",
    ) -> None:
        check_width(width)
        check_choice("shortcut", shortcut, ("A", "B"))
        if depth < 8 or (depth - 2) % 6:
            raise ValueError(
                f"depth must be 6n + 2, that is 8, 14, 20, 32, 44, 56, 110, 1202 ..., got {depth}"
            )
        modules: OrderedDict[str, nn.Module] = OrderedDict()
        modules["conv1"] = nn.Conv2d(image_channels(input_shape), width, 3, padding=1, bias=False)
        modules["bn1"] = nn.BatchNorm2d(width)
        modules["relu"] = nn.ReLU()
        channels = width
        for stage in range(3):
            blocks = []
            for block in range((depth - 2) // 6):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(BasicBlock(channels, width * 2**stage, stride, shortcut))
                channels = width * 2**stage
            modules[f"layer{stage + 1}"] = nn.Sequential(*blocks)
        modules["pool"] = nn.AdaptiveAvgPool2d(1)
        modules["flatten"] = nn.Flatten()
        readout = modules["fc"] = nn.Linear(channels, num_outputs)
        super().__init__(modules)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        nn.init.zeros_(readout.bias)
