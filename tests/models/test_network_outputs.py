"""Forward passes against torchvision, and against the authors' formulas written out."""

import pytest
import torch
import torch.nn.functional as F
import torchvision

from overparam.models.cnn import CNN
from overparam.models.preact_resnet import PreActResNet
from overparam.models.resnet_cifar import BasicBlock
from overparam.models.resnet_imagenet import ResNetImageNet
from overparam.models.transformer import Block, Transformer
from overparam.models.vgg import VGG
from overparam.models.wide_resnet import WideResNet

CIFAR = (3, 32, 32)


def shaken(net):
    """`net` in float64 and eval mode, with BatchNorm parameters and statistics away from 1 and 0."""
    torch.manual_seed(0)
    for tensor in [*net.parameters(), *net.buffers()]:
        if tensor.ndim == 1:
            torch.nn.init.uniform_(tensor, 0.5, 1.5)
    return net.double().eval()


def test_equals_torchvision_with_equal_weights():
    x = torch.randn(2, 3, 40, 40, dtype=torch.float64)
    for depth in (18, 34, 50):
        theirs = shaken(getattr(torchvision.models, f"resnet{depth}")(num_classes=7))
        ours = ResNetImageNet((3, 40, 40), 7, width=64, depth=depth).double().eval()
        ours.load_state_dict(theirs.state_dict(), strict=True)
        with torch.no_grad():
            torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=0)


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_the_same_parameters_as_torchvision(depth):
    with torch.device("meta"):
        theirs = getattr(torchvision.models, f"resnet{depth}")().state_dict()
        ours = ResNetImageNet((3, 224, 224), 1000, width=64, depth=depth).state_dict()
    assert [(k, v.shape) for k, v in ours.items()] == [(k, v.shape) for k, v in theirs.items()]


def test_equals_torchvision_in_training_too_and_draws_the_same_distribution():
    theirs, ours = torchvision.models.resnet18(num_classes=4), ResNetImageNet(CIFAR, 4, width=64)
    for name, weight in ours.state_dict().items():
        if weight.numel() > 10_000:
            assert weight.std().item() == pytest.approx(theirs.state_dict()[name].std().item(), rel=0.05)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(4, *CIFAR, dtype=torch.float64)
    for net in (ours.double(), theirs.double()):
        net(x).square().mean().backward()
    grads = zip(ours.parameters(), theirs.parameters(), strict=True)
    assert all(torch.allclose(a.grad, b.grad, rtol=0, atol=1e-12) for a, b in grads)


def test_cifar_block_with_option_b_equals_torchvisions():
    downsample = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 1, 2, bias=False), torch.nn.BatchNorm2d(6))
    theirs = shaken(torchvision.models.resnet.BasicBlock(3, 6, 2, downsample))
    ours = BasicBlock(3, 6, 2, "B").double().eval()
    state = {name.replace("downsample", "shortcut"): value for name, value in theirs.state_dict().items()}
    ours.load_state_dict(state, strict=True)
    x = torch.randn(2, 3, 7, 7, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=0)


def batch_norm(x, state, name):
    keys = ("running_mean", "running_var", "weight", "bias")
    return F.batch_norm(x, *(state[f"{name}.{key}"] for key in keys))


def preact_stages(x, state, names, block_names):
    """The authors' pre-activation blocks: a strided 1x1 shortcut of the activated input opens a new shape."""
    for stage, name in enumerate(names):
        for block in block_names:
            p = f"{name}.{block}"
            stride = 2 if stage > 0 and block == block_names[0] else 1
            a = F.relu(batch_norm(x, state, f"{p}.bn1"))
            if f"{p}.shortcut.0.weight" in state:
                x = F.conv2d(a, state[f"{p}.shortcut.0.weight"], stride=stride)
            a = F.conv2d(a, state[f"{p}.conv1.weight"], stride=stride, padding=1)
            a = F.relu(batch_norm(a, state, f"{p}.bn2"))
            x = x + F.conv2d(a, state[f"{p}.conv2.weight"], padding=1)
    return x


def test_preact_resnet18_is_the_formula_of_nakkiran_et_al():
    net = shaken(PreActResNet(CIFAR, 10, width=3))
    state, x = net.state_dict(), torch.randn(2, *CIFAR, dtype=torch.float64)
    out = F.conv2d(x, state["conv1.weight"], padding=1)
    out = preact_stages(out, state, [f"layer{i}" for i in (1, 2, 3, 4)], (0, 1))
    out = F.avg_pool2d(out, 4).flatten(1)
    torch.testing.assert_close(net(x), F.linear(out, state["linear.weight"], state["linear.bias"]))


@pytest.mark.parametrize("widen_factor", [1, 2])
def test_wide_resnet_is_the_formula_of_zagoruyko_and_komodakis(widen_factor):
    net = shaken(WideResNet(CIFAR, 10, width=2, depth=16, widen_factor=widen_factor, dropout=0.5))
    state, x = net.state_dict(), torch.randn(2, *CIFAR, dtype=torch.float64)
    assert ("layer1.0.shortcut.0.weight" in state) == (widen_factor > 1)
    out = F.conv2d(x, state["conv1.weight"], padding=1)
    out = preact_stages(out, state, [f"layer{i}" for i in (1, 2, 3)], (0, 1))
    out = F.avg_pool2d(F.relu(batch_norm(out, state, "bn")), 8).flatten(1)
    torch.testing.assert_close(net(x), F.linear(out, state["fc.weight"], state["fc.bias"]))


def test_cnn5_is_the_formula_of_nakkiran_et_al():
    net = shaken(CNN(CIFAR, 10, width=3))
    x = torch.randn(2, *CIFAR, dtype=torch.float64)
    convs = [m for m in net if isinstance(m, torch.nn.Conv2d)]
    norms = [m for m in net if isinstance(m, torch.nn.BatchNorm2d)]
    out = x
    for conv, norm, pool in zip(convs, norms, (1, 2, 2, 8), strict=True):
        out = F.max_pool2d(F.relu(norm(F.conv2d(out, conv.weight, conv.bias, padding=1))), pool)
    assert out.shape == (2, 24, 1, 1)
    torch.testing.assert_close(net(x), net[-1](out.flatten(1)))


@pytest.mark.parametrize(("depth", "norm"), [(11, "none"), (13, "batch"), (16, "batch"), (19, "none")])
def test_vggs_convolutions_are_torchvisions(depth, norm):
    name = f"vgg{depth}" + ("_bn" if norm == "batch" else "")
    theirs = shaken(getattr(torchvision.models, name)(init_weights=False).features)
    net = VGG(CIFAR, 10, width=64, depth=depth, norm=norm).double().eval()
    ours = [value for name, value in net.state_dict().items() if not name.startswith("readout")]
    for own, value in zip(ours, theirs.state_dict().values(), strict=True):
        own.copy_(value)
    x = torch.randn(2, *CIFAR, dtype=torch.float64)
    with torch.no_grad():
        features = theirs(x)
        assert features.shape == (2, 512, 1, 1)
        torch.testing.assert_close(net(x), net.readout(features.flatten(1)), rtol=0, atol=0)


def test_a_block_is_torchs_encoder_layer_where_heads_divide_the_width():
    width, heads = 12, 4
    theirs = torch.nn.TransformerEncoderLayer(
        *(width, heads, 4 * width),
        **{"dropout": 0, "activation": "gelu", "batch_first": True, "norm_first": True},
    ).double()
    ours, state = Block(width, heads).double(), theirs.state_dict()
    names = {"queries_keys_values.": "in_proj_", "join.": "out_proj."}
    names = {f"attention.{ours}": f"self_attn.{theirs}" for ours, theirs in names.items()}
    names |= {"up.": "linear1.", "down.": "linear2."}
    renamed = {}
    for name in ours.state_dict():
        known = next((prefix for prefix in names if name.startswith(prefix)), "")
        renamed[name] = state[names.get(known, "") + name.removeprefix(known)]
    ours.load_state_dict(renamed)
    x = torch.randn(3, 5, width, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-10, atol=1e-12)


def test_heads_that_do_not_divide_the_width_are_rounded_up():
    attention = Block(5, 4).attention
    assert (attention.size, attention.join.in_features) == (2, 8)
    assert Block(3, 8).attention.size == 1


def test_tokens_are_patches_row_by_row():
    x = torch.arange(2 * 4 * 6).view(1, 2, 4, 6)
    net = Transformer((2, 4, 6), 3, width=4, patch=2)
    tokens = net.tokens(x)
    assert tokens.shape == (1, 6, 8)
    for token, (row, column) in enumerate((r, c) for r in (0, 2) for c in (0, 2, 4)):
        assert torch.equal(tokens[0, token], x[0, :, row : row + 2, column : column + 2].flatten())


def test_the_transformer_knows_where_a_token_stands():
    net = Transformer((8,), 3, width=6).eval()
    x = torch.randn(2, 8)
    assert not torch.allclose(net(x), net(x.flip(1)), atol=1e-3)
    torch.nn.init.zeros_(net.positions)
    torch.testing.assert_close(net(x), net(x.flip(1)))
