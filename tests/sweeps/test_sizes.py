"""scripts/plan.py --sizes: well-known networks against what is published of them, and against closed forms."""

import runpy
import sys

import pytest
import torch
import torchvision
from torch import nn

from overparam.sweeps.sizes import CONTEXT, GPT3, NETWORKS, Size, longest_path, show, size
from tests.conftest import ROOT

PARAMS = {
    "AlexNet": 61_100_840,
    "VGG-16": 138_357_544,
    "ResNet-50": 25_557_032,
    "WRN-50-2": 68_883_240,
    "EfficientNet-B0": 5_288_548,
}
DEPTHS = {"AlexNet": 8, "VGG-16": 16, "ResNet-50": 50, "WRN-50-2": 50, "EfficientNet-B0": 82}
WIDEST = {"AlexNet": 4096, "VGG-16": 4096, "ResNet-50": 2048, "WRN-50-2": 2048, "EfficientNet-B0": 1280}
WEIGHTS = {
    "AlexNet": torchvision.models.AlexNet_Weights.IMAGENET1K_V1,
    "VGG-16": torchvision.models.VGG16_Weights.IMAGENET1K_V1,
    "ResNet-50": torchvision.models.ResNet50_Weights.IMAGENET1K_V1,
    "WRN-50-2": torchvision.models.Wide_ResNet50_2_Weights.IMAGENET1K_V1,
    "EfficientNet-B0": torchvision.models.EfficientNet_B0_Weights.IMAGENET1K_V1,
}


@pytest.mark.parametrize("name", PARAMS)
def test_torchvisions_networks(name):
    found = size(name, *NETWORKS[name])
    published = WEIGHTS[name].meta
    assert found.params == published["num_params"] == PARAMS[name]
    # torchvision publishes billions of multiply-adds, in three decimals.
    assert found.flops / 2e9 == pytest.approx(published["_ops"], abs=1e-3)
    assert found.weights_bytes >= 4 * found.params
    assert found.training_bytes > 16 * found.params
    assert (found.depth, found.most_width) == (DEPTHS[name], WIDEST[name])


def test_a_wide_resnet_is_wider_in_the_mean():
    with torch.device("meta"):
        nets = [NETWORKS[name][0]() for name in ("ResNet-50", "WRN-50-2")]
    narrow, wide = ([layer.out_channels for layer in longest_path(net)[:-1]] for net in nets)
    assert sum(wide) > 1.3 * sum(narrow)


def small_gpt3():
    return GPT3(width=12, depth=3, heads=4, vocabulary=50, context=20)


def test_a_transformer_by_hand():
    found = size("small", small_gpt3, (20,))
    d, layers, vocabulary, context = 12, 3, 50, 20
    params = layers * (12 * d**2 + 13 * d) + vocabulary * d + context * d + 2 * d
    assert found.params == params
    products = context * (12 * layers * d**2 + vocabulary * d)
    attention = 2 * layers * context**2 * d
    assert found.flops == 2 * (products + attention)
    assert (found.depth, found.most_width, found.weights_bytes) == (4 * layers + 1, 4 * d, 4 * params)
    assert found.training_bytes > 16 * params
    assert found.mean_width == (3 * d + d + 4 * d + d) / 4


def test_activations_by_hand():
    def build():
        return nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))

    found = size("mlp", build, (5,))
    # The input, the ReLU's output, which both layers beside it need, and the outputs.
    assert found.training_bytes == 4 * (4 * found.params + 5 + 7 + 3)
    assert found.params == 6 * 7 + 8 * 3


def test_gpt3_has_175_billion_parameters():
    with torch.device("meta"):
        net = GPT3()
    d = 12288
    expected = 96 * (12 * d**2 + 13 * d) + (50257 + CONTEXT + 2) * d
    assert sum(p.numel() for p in net.parameters()) == expected == 174_604_259_328


def test_layers_beside_the_longest_path_do_not_count():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.shortcut = (nn.Linear(2, 2) for _ in range(3))

        def forward(self, x):
            return self.shortcut(x) + self.second(self.first(x))

    net = Residual()
    assert longest_path(net) == [net.first, net.second]


def call(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["plan.py", *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "scripts" / "plan.py"), run_name="__main__")
    return end.value.code


def test_the_command_prints_a_line_a_network(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr("overparam.sweeps.sizes.NETWORKS", {"small": (small_gpt3, (20,))})
    assert call(monkeypatch, "--sizes") == 0
    output = capsys.readouterr().out
    (line,) = (line for line in output.splitlines() if "small" in line)
    assert line.split("│")[2].strip() == "6,516"
    assert "a multiply-add counts as two" in output


def test_the_table_is_no_wider_than_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    show(
        [
            Size(
                "GPT-3-like transformer",
                174_604_259_328,
                int(7.35e14),
                int(6.98e11),
                int(3.1e12),
                385,
                27_648,
                49_152,
            )
        ]
    )
    lines = [line for line in capsys.readouterr().out.splitlines() if line[0] in "┏┃│└"]
    assert {len(line) for line in lines} == {80}
    assert any("174,604,259,328│735T │698GB  │3.1TB   │385  │27,648    │49,152" in line for line in lines)


def test_with_anything_else_it_is_refused_in_one_line(monkeypatch, capsys):
    assert call(monkeypatch, "--sizes", "-m", "model.width=3") == 2
    assert capsys.readouterr().err.startswith("error: --sizes goes alone")
