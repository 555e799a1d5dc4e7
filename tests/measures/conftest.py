"""Networks and samples small enough for dense ground truth."""

import copy

import pytest
import torch

from overparam.data.module import Split
from overparam.measures.subject import Subject
from overparam.models.mlp import MLP
from overparam.models.preact_resnet import PreActResNet
from overparam.training.objective import cross_entropy


def split(shape, n=24, classes=3, seed=0):
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(n, *shape, generator=rng, dtype=torch.float64)
    y = torch.randint(classes, (n,), generator=rng)
    return Split(x, y, torch.arange(n) % 4 == 0)


def subject_of(net, shape, loss=cross_entropy):
    initial = copy.deepcopy(net)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return Subject(net.eval(), initial.eval(), split(shape), split(shape, seed=1), loss)


@pytest.fixture
def mlp():
    torch.manual_seed(0)
    return subject_of(MLP((5,), 3, width=7, depth=2).double(), (5,))


@pytest.fixture
def resnet():
    torch.manual_seed(0)
    net = PreActResNet((1, 6, 6), 3, width=2, blocks=(1, 1)).double()
    for _ in range(20):  # BatchNorm statistics away from 0 and 1
        net(2 * torch.randn(64, 1, 6, 6, dtype=torch.float64) + 1)
    return subject_of(net, (1, 6, 6))


@pytest.fixture(params=["mlp", "resnet"])
def subject(request):
    return request.getfixturevalue(request.param)
