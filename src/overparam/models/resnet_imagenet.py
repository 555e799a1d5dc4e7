"""ResNet-18 to -152 for larger images, of any width, built from torchvision's residual blocks."""

from collections import OrderedDict

from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from overparam.models.checks import check_choice, check_width, image_channels
from overparam.ranges import PositiveInt

BLOCKS_PER_STAGE: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, ...]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}


class ResNetImageNet(nn.Sequential):
    """torchvision's `resnet18` ... `resnet152` with `width` in the place of 64 and C in that of 3 channels.

    He et al. 2016, table 1: a 7x7 convolution of stride 2 and a 3x3 max-pool of stride 2, four stages of
    width w, 2w, 4w, 8w (times 4 at the end of a bottleneck block), global average pooling, a linear
    readout. torchvision fixes 64 in its constructor, so the network is put together here from torchvision's
    own blocks; at width 64 a torchvision `state_dict`, pretrained ones included, loads and gives the same
    outputs. As there, a bottleneck strides in its 3x3 convolution ("v1.5").

    The image shrinks 32-fold: it suits images of 64 pixels or more. Smaller ones work, an 8x8 one being a
    single pixel from the second stage on; `resnet_cifar` or `preact_resnet18` are made for those.

    Initialization, as in torchvision: convolutions N(0, 2/fan_out), BatchNorm scale 1 and shift 0, readout
    U(-1/sqrt(fan_in), 1/sqrt(fan_in)).

    Args:
        input_shape: (C, H, W).
        num_outputs: K.
        width: w, channels of the stem and of the first stage; 64 is standard.
        depth: 18, 34, 50, 101 or 152.

    Raises:
        ValueError: for a width that is not a positive integer, samples that are not images, or another depth.
    """

    def __init__(
        self, input_shape: tuple[int, ...], num_outputs: int, width: PositiveInt, depth: PositiveInt = 18
    ) -> None:
        check_width(width)
        check_choice("depth", depth, tuple(BLOCKS_PER_STAGE))
        block, counts = BLOCKS_PER_STAGE[depth]
        modules: OrderedDict[str, nn.Module] = OrderedDict()
        modules["conv1"] = nn.Conv2d(image_channels(input_shape), width, 7, stride=2, padding=3, bias=False)
        modules["bn1"] = nn.BatchNorm2d(width)
        modules["relu"] = nn.ReLU(inplace=True)
        modules["maxpool"] = nn.MaxPool2d(3, stride=2, padding=1)
        channels = width
        for stage, count in enumerate(counts):
            planes = width * 2**stage
            out_channels = planes * block.expansion
            stride = 2 if stage > 0 else 1
            shortcut = None
            if stride != 1 or channels != out_channels:
                shortcut = nn.Sequential(
                    nn.Conv2d(channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
                )
            blocks = [block(channels, planes, stride, shortcut)]
            blocks += [block(out_channels, planes) for _ in range(count - 1)]
            modules[f"layer{stage + 1}"] = nn.Sequential(*blocks)
            channels = out_channels
        modules["avgpool"] = nn.AdaptiveAvgPool2d(1)
        modules["flatten"] = nn.Flatten()
        modules["fc"] = nn.Linear(channels, num_outputs)
        super().__init__(modules)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
