import pytest
import torch
from torch import nn

from overparam.exact.hessian_counts import count, eigenvalues, hessian_counts, interpolate
from overparam.models.mlp import MLP
from overparam.randomness import drawing


def problem(width, n):
    with drawing(0):
        net = MLP((2,), 1, width, activation="tanh", init="lecun").double()
        x, y = torch.randn(n, 2, dtype=torch.float64), torch.randn(n, 1, dtype=torch.float64)
    return net, nn.utils.parameters_to_vector(net.parameters()).detach(), x, y


def test_eigenvalues_are_those_of_the_gradients_differences():
    net, start, x, y = problem(3, 5)

    def gradient(weights):
        nn.utils.vector_to_parameters(weights, net.parameters())
        return torch.cat(
            [g.flatten() for g in torch.autograd.grad((net(x) - y).square().mean(), net.parameters())]
        )

    step = 1e-5 * torch.eye(len(start), dtype=torch.float64)
    columns = [(gradient(start + d) - gradient(start - d)) / 2e-5 for d in step]
    dense = torch.stack(columns)
    torch.testing.assert_close(
        eigenvalues(net, start, x, y), torch.linalg.eigvalsh((dense + dense.T) / 2), rtol=0, atol=1e-8
    )


def test_at_interpolation_they_are_those_of_the_tangent_kernel_and_zeros():
    net, start, x, y = problem(8, 5)
    found = interpolate(net, start, x, y)
    values = eigenvalues(net, found, x, y)
    nn.utils.vector_to_parameters(found, net.parameters())
    assert (net(x) - y).abs().max() < 1e-9
    rows = [
        torch.cat([g.flatten() for g in torch.autograd.grad(f, net.parameters(), retain_graph=True)])
        for f in net(x)[:, 0]
    ]
    kernel = torch.linalg.eigvalsh(torch.stack(rows) @ torch.stack(rows).T)
    torch.testing.assert_close(values[-5:], 2 / 5 * kernel, rtol=1e-6, atol=1e-9)
    assert values[:-5].abs().max() < 1e-7
    assert count(values, 1e-7) == (len(start) - 5, 0)


def test_counts_by_hand():
    assert count(torch.tensor([-2.0, -1e-3, -1e-9, 0.0, 1e-9, 5.0]), 1e-7) == (3, 2)
    (row,) = hessian_counts(1, [6], n=8, dim=4)
    assert row["params"] == 37
    assert row["zeros_beyond"] == row["zeros"] - 29
    assert row["zero_share"] == pytest.approx(row["zeros"] / 37)
