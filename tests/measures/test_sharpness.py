"""The rise of the loss in a ball around the weights, against what is known of it."""

import copy

import pytest
import torch
from scipy.optimize import brentq

from overparam.measures.sharpness import adaptive_sharpness
from overparam.measures.subject import Subject
from overparam.models.linear import Linear
from overparam.models.mlp import MLP
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
    assert adaptive_sharpness(subject, radius)["adaptive_sharpness"] == pytest.approx(expected, rel=1e-4)
    gradient_step = loss(radius * g / g.norm()) - loss(zero)
    assert gradient_step < expected


def test_no_scale_of_the_weights_changes_it():
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
        rises.append(adaptive_sharpness(Subject(each, each, data, data, cross_entropy))["adaptive_sharpness"])
    assert rises[0] == pytest.approx(rises[1], rel=1e-6)
    assert rises[0] > 0
