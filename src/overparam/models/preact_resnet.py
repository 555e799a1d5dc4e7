"""Pre-activation ResNet of any width: the PreAct-ResNet18 of Nakkiran et al. 2019."""

from collections import OrderedDict
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from overparam.models.checks import check_width, image_channels
from overparam.ranges import PositiveInt


class PreActBlock(nn.Module):
    """Two 3x3 convolutions, each after BatchNorm and ReLU, added to the input (He et al. 2016b).

    Where the shape changes, the shortcut is a 1x1 convolution of the input *after* its BatchNorm and ReLU,
    as in the code of Nakkiran et al. and of Zagoruyko & Komodakis; elsewhere it is the raw input.

    Args:
        in_channels: channels in.
        out_channels: channels out.
        stride: of the first convolution and of the shortcut.
        dropout: probability of zeroing an input of the second convolution, in training only.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        # Dropout(0) would still draw random numbers, and so change a seeded run.
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.shortcut: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            # A Sequential of one, for the parameter names of the authors' checkpoints.
            self.shortcut = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """[N, in_channels, H, W] -> [N, out_channels, ceil(H / stride), ceil(W / stride)]."""
        out = F.relu(self.bn1(x))
        shortcut = x if self.shortcut is None else self.shortcut(out)
        out = self.dropout(F.relu(self.bn2(self.conv1(out))))
        return self.conv2(out) + shortcut


class PreActResNet(nn.Sequential):
    """A 3x3 convolution, stages of width k, 2k, 4k, ..., global average pooling and a linear readout.

    Every stage but the first halves the image. There is no BatchNorm or ReLU between the last block and the
    readout: so it is in the code of Nakkiran et al. 2019, if not in He et al. 2016b, and their parameter
    counts need it so. Parameters carry the names of that code, whose `state_dict` therefore loads.

    With blocks (2, 2, 2, 2), P = 2724 k^2 + (9 C + 106 + 8 K) k + K: 11,171,146 for k = 64, C = 3, K = 10.

    Initialization is PyTorch's default, as in that code: weights U(-1/sqrt(fan_in), 1/sqrt(fan_in)),
    BatchNorm scale 1 and shift 0.

    Args:
        input_shape: (C, H, W).
        num_outputs: K.
        width: k, channels of the first stage; 64 is the standard ResNet18.
        blocks: residual blocks of each stage; their number is the number of stages.

    Raises:
        ValueError: for a width that is not a positive integer, samples that are not images, or a stage
            without blocks.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_outputs: int,
        width: PositiveInt,
        blocks: Sequence[PositiveInt] = (2, 2, 2, 2),
    ) -> None:
        check_width(width)
        if len(blocks) == 0 or min(blocks) < 1:
            raise ValueError(f"blocks must list a positive number of blocks per stage, got {list(blocks)}")
        modules: OrderedDict[str, nn.Module] = OrderedDict()
        modules["conv1"] = nn.Conv2d(image_channels(input_shape), width, 3, padding=1, bias=False)
        channels = width
        for stage, count in enumerate(blocks):
            stage_blocks = []
            for block in range(count):
                stride = 2 if stage > 0 and block == 0 else 1
                stage_blocks.append(PreActBlock(channels, width * 2**stage, stride))
                channels = width * 2**stage
            modules[f"layer{stage + 1}"] = nn.Sequential(*stage_blocks)
        modules["pool"] = nn.AdaptiveAvgPool2d(1)
        modules["flatten"] = nn.Flatten()
        modules["linear"] = nn.Linear(channels, num_outputs)
        super().__init__(modules)
