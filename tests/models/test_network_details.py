"""Zero-padding shortcuts by hand, dropout, and the spread of the initial weights."""

import math

import pytest
import torch

from overparam.models.cnn import CNN
from overparam.models.mlp import MLP
from overparam.models.preact_resnet import PreActResNet
from overparam.models.resnet_cifar import BasicBlock, ResNetCifar, ZeroPadShortcut
from overparam.models.wide_resnet import WideResNet

CIFAR = (3, 32, 32)


def test_option_a_by_hand():
    x = torch.tensor([[[[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]]])
    out = ZeroPadShortcut(new_channels=2, stride=2)(x)
    assert out.tolist() == [[[[1, 3], [7, 9]], [[0, 0], [0, 0]], [[0, 0], [0, 0]]]]


def test_option_a_block_with_silent_convolutions_is_its_shortcut():
    block = BasicBlock(1, 2, 2, "A").eval()
    torch.nn.init.zeros_(block.conv2.weight)
    out = block(torch.tensor([[[[1.0, 2], [3, 4]]]]))
    assert out.tolist() == [[[[1.0]], [[0.0]]]]


def test_dropout_acts_in_training_only_and_only_if_asked_for():
    x = torch.randn(8, *CIFAR)
    net = WideResNet(CIFAR, 10, width=4, depth=10, widen_factor=1, dropout=0.5)
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))
    plain = WideResNet(CIFAR, 10, width=4, depth=10, widen_factor=1)
    before = torch.get_rng_state()
    assert torch.equal(plain(x), plain(x))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("net", "layer", "std"),
    [
        (lambda: ResNetCifar(CIFAR, 10, 32), "layer3.1.conv1", math.sqrt(2 / (9 * 128))),
        (lambda: ResNetCifar(CIFAR, 10, 32), "layer3.0.conv1", math.sqrt(2 / (9 * 64))),
        (
            lambda: WideResNet(CIFAR, 10, 16, depth=10, widen_factor=2),
            "layer3.0.conv1",
            math.sqrt(2 / (9 * 128)),
        ),
        (lambda: PreActResNet(CIFAR, 10, 16), "layer4.1.conv1", math.sqrt(1 / (3 * 9 * 128))),
        (lambda: CNN(CIFAR, 10, 16), "11", math.sqrt(1 / (3 * 9 * 64))),
        (lambda: MLP((64,), 10, 300, depth=2), "layers.3", math.sqrt(2 / 300)),
        (lambda: MLP((64,), 10, 300, depth=2, init="lecun"), "layers.3", math.sqrt(1 / 300)),
        (lambda: MLP((64,), 10, 300, depth=2, init="pytorch"), "layers.3", math.sqrt(1 / (3 * 300))),
    ],
)
def test_initial_standard_deviation_is_the_papers(net, layer, std):
    torch.manual_seed(0)
    assert net().get_submodule(layer).weight.std().item() == pytest.approx(std, rel=0.02)


def test_normal_init_is_one_standard_deviation_for_all_layers():
    torch.manual_seed(0)
    net = MLP((64,), 10, 300, depth=2, init="normal", init_std=0.1)
    for layer in (layer for layer in net.layers if isinstance(layer, torch.nn.Linear)):
        assert layer.weight.std().item() == pytest.approx(0.1, rel=0.03)
        assert not layer.bias.any()


def test_pytorch_init_is_that_of_its_linear_layers():
    net = MLP((64,), 10, 300, init="pytorch")
    readout = net.layers[-1]
    for tensor in (readout.weight, readout.bias):
        assert 0 < tensor.abs().max() <= 1 / math.sqrt(300)
    assert readout.weight.abs().max() > 0.99 / math.sqrt(300)
