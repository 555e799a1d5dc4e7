import math

import pytest
import torch
from torch import nn
from torch.func import functional_call, jvp

from overparam.exact.laziness import laziness
from overparam.exact.linearized import kernel_prediction, learning_rate, linearized_change
from overparam.measures.tangent_kernel import tangent_kernel
from overparam.models.mlp import MLP
from overparam.randomness import derive_seed, drawing


def test_it_is_gradient_descent_on_the_linearized_network():
    """Descent in the space of weights, on f_0 + J (w - w_0) by forward derivatives."""
    with drawing(0):
        net = MLP((3,), 1, 20, parametrization="ntk").double()
        x, new, y = (
            torch.randn(rows, columns, dtype=torch.float64) for rows, columns in ((6, 3), (4, 3), (6, 1))
        )
    start = {name: p.detach() for name, p in net.named_parameters()}
    moved = {name: torch.zeros_like(p).requires_grad_() for name, p in start.items()}

    def linearized(inputs):
        return jvp(lambda weights: functional_call(net, weights, (inputs,)), (start,), (moved,))

    kernel = tangent_kernel(net, torch.cat([x, new]))
    lr = learning_rate(kernel[:6, :6], 1.0)
    for _ in range(50):
        begun, change = linearized(x)
        gradients = torch.autograd.grad((begun + change - y).square().mean(), list(moved.values()))
        moved = {
            name: (m - lr * g).detach().requires_grad_()
            for (name, m), g in zip(moved.items(), gradients, strict=True)
        }
    with torch.no_grad():
        expected = linearized(new)[1]
        residual = y - net(x)
    torch.testing.assert_close(linearized_change(kernel, residual, lr, 50), expected, rtol=1e-7, atol=1e-9)


def test_a_wide_network_is_near_and_the_distances_are_relative():
    narrow, wide = kernel_prediction(0, [16, 4096], n=10, test_size=20, steps=50)
    assert wide["kernel_distance"] < 0.05 < narrow["kernel_distance"] < 1
    assert wide["limit_distance"] < 0.1


def test_scaled_training_is_that_of_plain_gradient_descent():
    """scale (h - h_0) on a teacher of mean square 1, the step over scale^2 in what the weights see."""
    (row,) = laziness(2, [4.0], width=8, n=12, test_size=20, dim=4, steps=30, rate=0.3)
    with drawing(derive_seed(2, "teacher")):
        teacher = MLP((4,), 1, 3).double()
        x, new = (2 * nn.functional.normalize(torch.randn(size, 4, dtype=torch.float64)) for size in (12, 20))
    with torch.no_grad():
        y, wanted = teacher(x), teacher(new)
        y, wanted = y / wanted.square().mean().sqrt(), wanted / wanted.square().mean().sqrt()
    with drawing(derive_seed(2, "init")):
        net = MLP((4,), 1, 8, init="normal", init_std=1 / math.sqrt(8)).double()
    weights = list(net.parameters())
    start = torch.cat([p.detach().flatten() for p in weights])
    jacobian = torch.stack(
        [
            torch.cat([g.flatten() for g in torch.autograd.grad(f, weights, retain_graph=True)])
            for f in net(x)[:, 0]
        ]
    )
    curvature = 2 / 12 * 16 * torch.linalg.eigvalsh(jacobian @ jacobian.T)[-1].item()
    with torch.no_grad():
        begun, begun_new = net(x), net(new)
    for _ in range(30):
        loss = (4 * (net(x) - begun) - y).square().mean()
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for p, g in zip(weights, gradients, strict=True):
                p -= 0.3 / curvature * g
    moved = (torch.cat([p.detach().flatten() for p in weights]) - start).norm() / start.norm()
    with torch.no_grad():
        error = (4 * (net(new) - begun_new) - wanted).square().mean()
    assert (row["train_mse"], row["test_mse"], row["moved"]) == pytest.approx(
        (loss.item(), error.item(), moved.item()), rel=1e-8
    )
