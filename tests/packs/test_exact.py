"""The trial that decides what may be packed and padded says yes and no where theory does."""

import subprocess
import sys

import pytest
from torch import nn

from overparam.models.cnn import CNN
from overparam.models.mlp import MLP
from overparam.models.preact_resnet import PreActResNet
from overparam.models.random_features import RandomFeatures
from overparam.models.resnet_cifar import ResNetCifar
from overparam.models.transformer import Transformer
from overparam.models.vgg import VGG
from overparam.models.wide_resnet import WideResNet
from overparam.packs.exact import (
    packing_is_exact,
    padding_is_exact,
    samples_are_independent,
)
from tests.conftest import ROOT
from tests.gate import HANGS

SHAPE = (1, 8, 8)


def build(network, width, **knobs):
    return network(SHAPE, 10, width=width, **knobs)


@pytest.mark.parametrize(
    ("network", "knobs", "packs", "pads", "independent"),
    [
        (MLP, {}, True, True, True),
        (MLP, {"depth": 3, "activation": "gelu"}, True, True, True),
        (MLP, {"activation": "tanh"}, True, True, True),
        (MLP, {"depth": 2, "norm": "batch"}, True, True, False),
        (MLP, {"norm": "layer"}, True, False, True),  # normalizes over the units, padding included
        (MLP, {"dropout": 0.5}, False, False, None),
        (CNN, {"stages": 3}, True, True, False),
        (PreActResNet, {"blocks": (1, 1, 1)}, True, True, False),
        (ResNetCifar, {"depth": 8}, True, True, False),
        (ResNetCifar, {"depth": 8, "shortcut": "B"}, True, True, False),
        (WideResNet, {"depth": 10, "widen_factor": 1}, True, True, False),
        (WideResNet, {"depth": 10, "widen_factor": 1, "dropout": 0.3}, False, False, False),
        (VGG, {"depth": 11}, True, True, False),
        (VGG, {"depth": 11, "norm": "none"}, True, True, True),
        (Transformer, {}, True, False, True),  # its LayerNorm is over the width, padding included
        (RandomFeatures, {}, True, False, True),  # cos(0 + phase) is not zero
        # Its readout starts at zero, and hides that features are scaled by their number.
        (RandomFeatures, {"features": "relu"}, True, False, True),
    ],
)
def test_networks(network, knobs, packs, pads, independent):
    narrow, wide = build(network, 3, **knobs), build(network, 5, **knobs)
    assert packing_is_exact(narrow, SHAPE) == packs
    assert padding_is_exact(narrow, wide, SHAPE) == pads
    if independent is not None:
        assert samples_are_independent(narrow, SHAPE) == independent


def test_networks_of_another_structure_do_not_pad():
    assert not padding_is_exact(build(MLP, 4, depth=1), build(MLP, 4, depth=2), SHAPE)


def test_a_branch_on_data_is_refused():
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(64, 10)

        def forward(self, x):
            return self.layer(x.flatten(1)) if x.sum() > 0 else self.layer(-x.flatten(1))

    assert not packing_is_exact(Branching(), SHAPE)


AFTER_A_GRADIENT = """
import torch
from overparam.measures.step_cost import fake_tensors
from overparam.packs.exact import succeeds_in_subprocess
from tests.packs.test_exact import packing
with fake_tensors():  # torch then counts devices, as where there is a GPU: after this a fork takes no gradient
    torch.nn.Linear(2, 2)(torch.ones(2)).sum().backward()
for trial in (packing(), packing(dropout=0.5), lambda: 1 / 0):
    print(succeeds_in_subprocess(trial))
"""


def packing(**knobs):
    return lambda: packing_is_exact(build(MLP, 3, **knobs), SHAPE)


def test_trials_say_the_same_once_gradients_were_taken_where_there_are_devices():
    done = subprocess.run(
        [sys.executable, "-c", AFTER_A_GRADIENT], cwd=ROOT, capture_output=True, text=True, timeout=HANGS
    )
    assert done.stdout.split() == ["True", "False", "False"], done.stderr
