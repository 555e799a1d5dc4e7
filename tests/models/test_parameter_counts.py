"""Counts against the papers, and against polynomials in the width derived by hand, layer by layer."""

from functools import partial

import pytest
import torch
from torch import nn

from overparam.models.cnn import CNN
from overparam.models.linear import Linear
from overparam.models.parameters import count_parameters, width_for_params
from overparam.models.preact_resnet import PreActResNet
from overparam.models.random_features import RandomFeatures
from overparam.models.resnet_cifar import ResNetCifar
from overparam.models.resnet_imagenet import ResNetImageNet
from overparam.models.transformer import Transformer
from overparam.models.vgg import VGG
from overparam.models.wide_resnet import WideResNet

CIFAR = (3, 32, 32)
WIDTHS = (1, 2, 3, 7, 16, 64, 100)


def count(network, *args, **knobs):
    with torch.device("meta"):
        return count_parameters(network(*args, **knobs))


@pytest.mark.parametrize(
    ("network", "num_outputs", "width", "knobs", "expected"),
    [
        (CNN, 10, 64, {}, 1_558_026),
        (PreActResNet, 10, 64, {}, 11_171_146),
        (PreActResNet, 10, 16, {}, 700_762),
        (PreActResNet, 10, 1, {}, 2_947),
        (ResNetCifar, 10, 16, {"depth": 20}, 269_722),
        (ResNetCifar, 10, 16, {"depth": 56}, 853_018),
        (ResNetCifar, 10, 16, {"depth": 110}, 1_727_962),
        (ResNetCifar, 10, 16, {"depth": 1202}, 19_421_274),  # "19.4M" in the paper
        (ResNetCifar, 10, 16, {"depth": 20, "shortcut": "B"}, 269_722 + 2_752),
        (ResNetCifar, 10, 16, {"depth": 110, "shortcut": "B"}, 1_727_962 + 2_752),
        (WideResNet, 10, 16, {"depth": 40, "widen_factor": 4}, 8_949_210),
        (WideResNet, 10, 16, {"depth": 28, "widen_factor": 10}, 36_479_194),
        (WideResNet, 10, 16, {"depth": 16, "widen_factor": 8}, 10_961_370),
        (ResNetImageNet, 1000, 64, {"depth": 18}, 11_689_512),
        (ResNetImageNet, 1000, 64, {"depth": 34}, 21_797_672),
        (ResNetImageNet, 1000, 64, {"depth": 50}, 25_557_032),
        (VGG, 10, 64, {"depth": 11}, 9_231_114),
        (VGG, 10, 64, {"depth": 13}, 9_416_010),
        (VGG, 10, 64, {"depth": 16}, 14_728_266),
        (VGG, 10, 64, {"depth": 19}, 20_040_522),
        (Transformer, 10, 64, {}, 107_978),
    ],
)
def test_published_counts(network, num_outputs, width, knobs, expected):
    assert count(network, CIFAR, num_outputs, width, **knobs) == expected


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("channels", "outputs"), [(1, 10), (3, 100)])
class TestPolynomialsInTheWidth:
    """w = width, c = input channels, o = outputs; a stage of width p entered from p/2 channels."""

    def test_cnn(self, width, channels, outputs):
        w, c, o, shape = width, channels, outputs, (channels, 32, 32)
        five = 378 * w**2 + (9 * c + 45 + 8 * o) * w + o
        three = 90 * w**2 + (9 * c + 21 + 4 * o) * w + o
        assert count(CNN, shape, o, w) == five
        assert count(CNN, shape, o, w, stages=3) == three

    def test_preact_resnet(self, width, channels, outputs):
        w, c, o, shape = width, channels, outputs, (channels, 32, 32)
        assert count(PreActResNet, shape, o, w) == 2724 * w**2 + (9 * c + 106 + 8 * o) * w + o
        small = 298 * w**2 + (9 * c + 22 + 4 * o) * w + o
        assert count(PreActResNet, shape, o, w, blocks=[1, 1, 1]) == small

    @pytest.mark.parametrize("depth", [8, 20, 44])
    def test_resnet_cifar(self, width, channels, outputs, depth):
        w, c, o, n = width, channels, outputs, (depth - 2) // 6
        option_a = (378 * n - 90) * w**2 + (28 * n + 2 + 9 * c + 4 * o) * w + o
        assert count(ResNetCifar, (c, 32, 32), o, w, depth=depth) == option_a
        option_b = option_a + 10 * w**2 + 12 * w
        assert count(ResNetCifar, (c, 32, 32), o, w, depth=depth, shortcut="B") == option_b

    @pytest.mark.parametrize(("depth", "widen_factor"), [(10, 1), (16, 2), (28, 3)])
    def test_wide_resnet(self, width, channels, outputs, depth, widen_factor):
        w, c, o, n, u = width, channels, outputs, (depth - 4) // 6, width * widen_factor
        widening = 9 * w * u + (w * u if widen_factor > 1 else 0) + 2 * w + (2 * n - 1) * (9 * u**2 + 2 * u)
        halving = sum(5 * p**2 + p + (2 * n - 1) * (9 * p**2 + 2 * p) for p in (2 * u, 4 * u))
        expected = 9 * c * w + widening + halving + 8 * u + 4 * u * o + o
        assert count(WideResNet, (c, 32, 32), o, w, depth=depth, widen_factor=widen_factor) == expected

    def test_resnet_imagenet(self, width, channels, outputs):
        w, c, o, shape = width, channels, outputs, (channels, 32, 32)
        assert count(ResNetImageNet, shape, o, w, depth=18) == 2724 * w**2 + (49 * c + 150 + 8 * o) * w + o
        bottlenecks = 5724 * w**2 + (49 * c + 2 + 828 + 32 * o) * w + o
        assert count(ResNetImageNet, shape, o, w, depth=50) == bottlenecks

    @pytest.mark.parametrize(
        ("depth", "squares", "biases"), [(11, 2250, 43), (13, 2295, 46), (16, 3591, 66), (19, 4887, 86)]
    )
    def test_vgg(self, width, channels, outputs, depth, squares, biases):
        w, c, o, shape = width, channels, outputs, (channels, 32, 32)
        bare = squares * w**2 + (9 * c + biases + 8 * o) * w + o
        assert count(VGG, shape, o, w, depth=depth, norm="none") == bare
        assert count(VGG, shape, o, w, depth=depth) == bare + 2 * biases * w

    @pytest.mark.parametrize(("depth", "heads", "patch"), [(1, 1, 4), (2, 4, 4), (3, 8, 16)])
    def test_transformer(self, width, channels, outputs, depth, heads, patch):
        w, o, p, t = width, outputs, channels * patch**2, (32 // patch) ** 2
        inner = next(i for i in range(w, w + heads) if i % heads == 0)
        block = 8 * w**2 + 4 * inner * w + 3 * inner + 10 * w
        expected = depth * block + (p + t + 3 + o) * w + o
        assert count(Transformer, (channels, 32, 32), o, w, depth, heads, patch) == expected
        assert count(Transformer, (t,), o, w, depth, heads) == expected - (p - 1) * w

    def test_random_features(self, width, channels, outputs):
        assert count(RandomFeatures, (channels, 8, 8), outputs, width) == width * outputs


def test_linear():
    assert count(Linear, (1, 8, 8), 10) == 650
    assert count(Linear, (64,), 10, bias=False) == 640


def test_only_trainable_parameters_count():
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 5))
    module[2].requires_grad_(False)
    assert count_parameters(module) == 16 + 8


class TestWidthForParams:
    @pytest.mark.parametrize("width", [1, 2, 3, 64, 100, 1000])
    def test_recovers_the_width(self, width):
        build = partial(PreActResNet, CIFAR, 10)
        assert width_for_params(build, count(build, width)) == width

    def test_nearest_by_exhaustion_and_ties_go_to_the_smaller(self):
        def build(width):  # P = 4, 8, 12, ...: ties at 6, 10, 14, ...
            return nn.Linear(4, width, bias=False)

        for target in range(1, 60):
            nearest = min(range(1, 40), key=lambda width: (abs(4 * width - target), width))
            assert width_for_params(build, target) == nearest

    def test_neither_memory_nor_random_numbers(self):
        torch.manual_seed(0)
        before = torch.get_rng_state()
        assert width_for_params(partial(RandomFeatures, (3, 32, 32), 10), 10**12) == 10**11
        width_for_params(partial(WideResNet, CIFAR, 10, depth=10, dropout=0.3), 10**9)
        width_for_params(partial(ResNetCifar, CIFAR, 10), 10**9)
        assert torch.equal(torch.get_rng_state(), before)

    def test_errors(self):
        with pytest.raises(ValueError, match="target must be a positive number of parameters, got 0"):
            width_for_params(lambda width: nn.Linear(4, width), 0)
        with pytest.raises(ValueError, match="does not grow with the width"):
            width_for_params(lambda width: nn.Linear(4, 1), 100)
