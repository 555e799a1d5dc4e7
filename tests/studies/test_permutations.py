import pytest
import torch
from torch import nn

from overparam.errors import ConfigError
from overparam.measures.norms import BATCH_NORMS
from overparam.models.cnn import CNN
from overparam.models.linear import Linear
from overparam.models.mlp import MLP
from overparam.models.preact_resnet import PreActResNet
from overparam.models.random_features import RandomFeatures
from overparam.models.resnet_cifar import ResNetCifar
from overparam.models.resnet_imagenet import ResNetImageNet
from overparam.models.transformer import Transformer
from overparam.models.vgg import VGG
from overparam.models.wide_resnet import WideResNet
from overparam.studies.matching import match_weights
from overparam.studies.permutations import hidden_groups, permute

IMAGE = (1, 8, 8)
# Networks, and the sizes of their groups of units: chains, the insides of blocks, and residual streams.
NETWORKS = {
    "mlp": (lambda: MLP(IMAGE, 10, 7, depth=2), [7, 7]),
    "mlp with batch norm": (lambda: MLP(IMAGE, 10, 7, depth=3, norm="batch"), [7, 7, 7]),
    "mlp with layer norm": (lambda: MLP(IMAGE, 10, 7, norm="layer", activation="gelu", dropout=0.2), [7]),
    "mup": (lambda: MLP(IMAGE, 10, 7, parametrization="mup"), [7]),
    "cnn": (lambda: CNN(IMAGE, 10, 3, stages=3), [3, 6, 12]),
    "flattened images": (lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 10)), [4]),
    "preact resnet": (lambda: PreActResNet(IMAGE, 10, 2, blocks=(2, 1)), [2, 2, 2, 4, 4]),
    "wide resnet": (lambda: WideResNet(IMAGE, 10, 2, depth=10, widen_factor=2), [2, 4, 4, 8, 8, 16, 16]),
    "resnet, option A": (
        lambda: ResNetCifar(IMAGE, 10, 3, depth=8),
        [3, 6, 12],
    ),  # zero padding ties the stream
    "resnet, option B": (lambda: ResNetCifar(IMAGE, 10, 3, depth=8, shortcut="B"), [3, 3, 6, 6, 12, 12]),
    "vgg": (lambda: VGG(IMAGE, 10, 2, depth=11), [2, 4, 8, 8, 16, 16, 16, 16]),
    "transformer": (lambda: Transformer(IMAGE, 10, 3, depth=2), [12, 12]),  # of its MLPs; not of the stream
    "tied layers": (lambda: TiedLayers(), [7]),
    "resnet18": (lambda: ResNetImageNet(IMAGE, 10, 2), [2, 2, 2, 4, 4, 4, 8, 8, 8, 16, 16, 16]),
}


def randomized(name):
    torch.manual_seed(0)
    build, sizes = NETWORKS[name]
    net = build().double().eval()
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.3)
    for module in net.modules():
        if isinstance(module, BATCH_NORMS):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return net, sizes


@pytest.mark.parametrize("name", NETWORKS)
def test_permuting_hidden_units_leaves_outputs_alone(name):
    net, sizes = randomized(name)
    groups = hidden_groups(net)
    assert sorted(group.units for group in groups) == sorted(sizes)
    shuffled = permute(net, [torch.arange(group.units).roll(1) for group in groups])
    axes = {axis.name for group in groups for axis in group.axes}
    before, after = net.state_dict(), shuffled.state_dict()
    assert {key for key in before if not torch.equal(before[key], after[key])} == axes
    x = torch.randn(20, *IMAGE, dtype=torch.float64)
    torch.testing.assert_close(shuffled(x), net(x), rtol=1e-10, atol=1e-10)


class TiedLayers(nn.Module):
    """A hidden layer used twice: its input and output units are one group."""

    def __init__(self):
        super().__init__()
        self.first, self.tied, self.last = nn.Linear(64, 7), nn.Linear(7, 7), nn.Linear(7, 10)

    def forward(self, x):
        hidden = torch.relu(self.first(x.flatten(1)))
        return self.last(torch.relu(self.tied(torch.relu(self.tied(hidden)))))


@pytest.mark.parametrize("name", NETWORKS)
def test_matching_undoes_a_permutation(name):
    net, _ = randomized(name)
    shuffled = permute(net, [torch.randperm(group.units) for group in hidden_groups(net)])
    for found, wanted in zip(match_weights(shuffled, net).parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=0)


def test_more_starts_bring_weights_no_farther():
    torch.manual_seed(0)
    ours, goal = (MLP(IMAGE, 10, 20, depth=3) for _ in range(2))

    def overlap(net):
        return sum((a * b).sum() for a, b in zip(net.parameters(), goal.parameters(), strict=True)).item()

    reached = [overlap(match_weights(ours, goal, restarts=count)) for count in (1, 5, 20)]
    assert overlap(ours) < reached[0] <= reached[1] <= reached[2]
    assert reached[0] < reached[2]


class Sorting(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 5), nn.Linear(5, 2)

    def forward(self, x):
        return self.last(self.first(x).sort(1).values)


def test_hidden_units_that_cannot_be_permuted_are_refused():
    with pytest.raises(ConfigError, match="no hidden units"):
        hidden_groups(Sorting())


@pytest.mark.parametrize("net", [Linear(IMAGE, 10), RandomFeatures(IMAGE, 10, 5)])
def test_a_network_of_one_trained_layer_has_nothing_to_permute(net):
    assert hidden_groups(net) == []
    assert torch.equal(match_weights(net, net).readout.weight, net.readout.weight)
