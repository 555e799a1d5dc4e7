"""The rise of the loss in a ball around the weights, against what is known of it."""

import copy
import itertools
import math

import pytest
import torch
from scipy.optimize import brentq

from overparam.errors import ConfigError
from overparam.measures.sharpness import adaptive_sharpness
from overparam.measures.subject import Subject
from overparam.models.linear import Linear
from overparam.models.mlp import MLP
from overparam.training.knobs import typed
from overparam.training.objective import cross_entropy, mse
from tests.measures.conftest import split


@pytest.mark.parametrize("radius", [0.1, 2.0])
def test_it_is_the_maximum_of_a_quadratic_loss_over_the_ball(radius):
    """There u solves (m - H) u = g with ||u|| = radius and m above H's eigenvalues (More & Sorensen 1983)."""
    torch.manual_seed(0)
    data, net = split((5,)), Linear((5,), 3, init="normal").double()
    subject = Subject(net, net, data, data, mse)
    theta = torch.cat([p.detach().flatten() for p in net.parameters()])

    def loss(u):
        weight, bias = (theta + theta.abs() * u).split([15, 3])
        return mse(data.x @ weight.view(3, 5).T + bias, data.y).mean()

    zero = torch.zeros_like(theta)
    g, hessian = torch.func.grad(loss)(zero), torch.func.hessian(loss)(zero)
    values, vectors = torch.linalg.eigh(hessian)
    along = vectors.T @ g
    length = lambda m: float((along / (m - values)).norm()) - radius  # noqa: E731
    m = brentq(length, float(values[-1]) + 1e-9, float(values[-1]) + 1e6)
    u = vectors @ (along / (m - values))
    expected = (loss(u) - loss(zero)).item()
    assert adaptive_sharpness(subject, radius=radius)["adaptive_sharpness"] == pytest.approx(
        expected, rel=1e-4
    )
    gradient_step = loss(radius * g / g.norm()) - loss(zero)
    assert gradient_step < expected


def test_it_is_the_maximum_of_a_convex_loss_over_the_box():
    """There it is at a corner, of which a linear model with three inputs and a bias has sixteen."""
    torch.manual_seed(0)
    data, net = split((3,), n=6, classes=1), Linear((3,), 1, init="normal").double()
    torch.nn.init.normal_(net.readout.bias)
    subject = Subject(net, net, data, data, mse)
    weights = torch.cat([net.readout.weight[0], net.readout.bias]).detach()
    inputs = torch.cat([data.x, torch.ones(6, 1, dtype=torch.float64)], 1)

    def loss(theta):
        return (inputs @ theta - 1).square().mean().item()  # one class, one-hot

    rises = [
        loss(weights * torch.tensor(factors, dtype=torch.float64)) - loss(weights)
        for factors in itertools.product((0.7, 1.3), repeat=4)
    ]
    found = adaptive_sharpness(subject, "inf", radius=0.3, starts=8)
    assert found["adaptive_sharpness"] == pytest.approx(max(rises), rel=1e-9)


def test_the_command_lines_inf_is_a_norm():
    written = [typed(adaptive_sharpness, {"norm": norm}, prefix="")["norm"] for norm in (math.inf, "inf", 2)]
    assert written == ["inf", "inf", 2]
    with pytest.raises(ConfigError, match="norm must be 2 or 'inf', got 1"):
        typed(adaptive_sharpness, {"norm": 1}, prefix="")


def copied(net, times):
    """Return the MLP with every hidden unit copied, and outgoing weights divided by so many: the same function."""
    layers = [layer for layer in net.modules() if isinstance(layer, torch.nn.Linear)]
    wide = MLP((5,), 3, width=times * layers[0].out_features, depth=len(layers) - 1).double()
    with torch.no_grad():
        for index, layer in enumerate(each for each in wide.modules() if isinstance(each, torch.nn.Linear)):
            weight, bias = layers[index].weight, layers[index].bias
            if index > 0:
                weight = weight.repeat_interleave(times, 1) / times
            if index < len(layers) - 1:
                weight, bias = (each.repeat_interleave(times, 0) for each in (weight, bias))
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
    return wide


@pytest.mark.parametrize(("norm", "dual"), [("inf", 1), (2, 2)])
def test_to_first_order_copied_units_change_it_only_with_norm_2(norm, dual):
    torch.manual_seed(0)
    net, data = MLP((5,), 3, width=7, depth=2).double(), split((5,))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    twin, rises, expected = copied(net, 4), [], []
    torch.testing.assert_close(twin(data.x), net(data.x))
    for each in (net, twin):
        subject = Subject(each, each, data, data, cross_entropy)
        rises.append(adaptive_sharpness(subject, norm, radius=1e-5, starts=1)["adaptive_sharpness"] / 1e-5)
        gradient = torch.autograd.grad(cross_entropy(each(data.x), data.y).mean(), list(each.parameters()))
        parts = [(p * g).flatten() for p, g in zip(each.parameters(), gradient, strict=True)]
        expected.append(torch.cat(parts).norm(dual).item())
    assert rises == pytest.approx(expected, rel=1e-3)
    if norm == "inf":
        assert expected[1] == pytest.approx(expected[0], rel=1e-9)
    else:
        assert expected[1] < 0.6 * expected[0]  # 1/2 of all but the last bias, 1/4 between copied layers


@pytest.mark.parametrize("norm", [2, "inf"])
def test_no_scale_of_the_weights_changes_it(norm):
    torch.manual_seed(0)
    data, net = split((5,)), MLP((5,), 3, width=7).double()
    scaled = copy.deepcopy(net)
    first, last = (layer for layer in scaled.modules() if isinstance(layer, torch.nn.Linear))
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.mul_(10)
        last.weight.div_(10)
    rises = []
    for each in (net, scaled):
        torch.manual_seed(1)
        found = adaptive_sharpness(Subject(each, each, data, data, cross_entropy), norm)
        rises.append(found["adaptive_sharpness"])
    assert rises[0] == pytest.approx(rises[1], rel=1e-6)
    assert rises[0] > 0
