from dataclasses import replace

import pytest
import torch

from overparam.errors import ConfigError
from overparam.studies.landscape import displaced, filter_normalized, landscape
from overparam.training.finished import loss_and_error
from overparam.training.objective import mse


@pytest.mark.parametrize("kind", ["mlps", "resnets"])
def test_directions_have_the_norms_of_the_filters(kind, request):
    net = request.getfixturevalue(kind)[0].net
    direction = filter_normalized(net)
    for name, p in net.named_parameters():
        if p.ndim == 1:
            assert name not in direction  # biases and norms stay
        else:
            ours, theirs = direction[name].flatten(1).norm(dim=1), p.detach().flatten(1).norm(dim=1)
            torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("kind", ["mlps", "resnets"])
def test_the_middle_is_the_run_and_the_rim_is_higher(kind, request):
    run = request.getfixturevalue(kind)[0]
    rows = landscape([run], points=3)
    loss = {(row["alpha"], row["beta"]): row["train_loss"] for row in rows}
    assert loss[0, 0] == loss_and_error(run.net, run.train, run.loss)[0]
    assert min(value for point, value in loss.items() if point != (0, 0)) > loss[0, 0]


def test_the_loss_of_least_squares_is_a_paraboloid(mlps):
    torch.manual_seed(0)
    x, w = torch.randn(40, 1, 8, 8), torch.randn(64, 10)
    y = x.flatten(1) @ w
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10, bias=False))
    net[1].weight.data.copy_(w.T)
    split = replace(mlps[0].train, stored=x, y=y, noisy=torch.zeros(40, dtype=torch.bool))
    run = replace(mlps[0], net=net, train=split, test=split, loss=mse)
    loss = {(row["alpha"], row["beta"]): row["train_loss"] for row in landscape([run], points=5)}
    torch.manual_seed(0)
    assert loss[1, 0] == pytest.approx(4 * loss[0.5, 0], rel=1e-4)
    assert loss[1, 1] + loss[1, -1] == pytest.approx(
        2 * (loss[1, 0] + loss[0, 1]), rel=1e-4
    )  # parallelogram law


def test_displacement_is_linear(mlps):
    net = mlps[0].net
    first, second = (filter_normalized(net) for _ in range(2))
    there = displaced(displaced(net, [first, second], (0.3, -0.2)), [first, second], (-0.3, 0.2))
    for a, b in zip(there.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)


def test_an_even_grid_has_no_middle(mlps):
    with pytest.raises(ConfigError, match=r"study\.points must be odd"):
        landscape(mlps[:1], points=4)
