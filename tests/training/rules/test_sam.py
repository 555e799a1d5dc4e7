"""SAM: its update on a quadratic, and what its first pass must not leak into."""

from functools import partial

import pytest
import torch
from torch import nn

from overparam.runs.identity import run_directory
from overparam.training.objective import mse
from overparam.training.rules.sam import SAM
from overparam.training.run import train

SGD = partial(torch.optim.SGD, lr=0.1)
GENERATOR = torch.Generator().manual_seed(0)
X, Y = torch.randn(20, 4, generator=GENERATOR), torch.randn(20, 1, generator=GENERATOR)


def gradient(w):
    """Of |Xw - y|^2 / n, the mean squared error."""
    return 2 / len(X) * X.T @ (X @ w - Y)


def test_five_updates_on_a_quadratic_are_those_by_hand():
    module = SAM(rho=0.5, net=nn.Linear(4, 1, bias=False), loss=mse, optimizer=SGD)
    optimizer = SGD(module.parameters())
    w = module.net.weight.detach().T.clone()
    plain = w.clone()
    for _ in range(5):
        optimizer.zero_grad()
        module.training_loss(X, Y).backward()
        optimizer.step()
        g = gradient(w)
        w = w - 0.1 * gradient(w + 0.5 * g / g.norm())
        plain = plain - 0.1 * gradient(plain)
    torch.testing.assert_close(module.net.weight.T, w)
    assert (w - plain).norm() > 1e-2


def test_a_step_of_the_trainer_is_one_step(small):
    cfg = small("module=sam", "module.rho=0.5", "optimizer=sgd")
    flat = small("module=sam", "module.rho=0", "optimizer=sgd")
    plain = small("optimizer=sgd")
    first, second, third = train(cfg), train(flat), train(plain)
    assert first["steps"] == second["steps"] == 40
    assert first["train_loss"] != third["train_loss"]
    for name in ("metrics.csv", "weights.pt"):
        assert (run_directory(flat) / name).read_bytes() == (run_directory(plain) / name).read_bytes()


def test_batchnorm_remembers_the_first_pass_only():
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    module = SAM(rho=2.0, net=net, loss=mse, optimizer=SGD)
    expected = 0.1 * net[0](X).mean(0)
    module.training_loss(X, Y).backward()
    torch.testing.assert_close(net[1].running_mean, expected)
    assert net[1].num_batches_tracked == 1


def test_the_ascent_survives_mixed_precision():
    """Autocast keeps the casts of weights for a whole step: those of the first pass must not serve in the second."""
    net = nn.Linear(4, 1, bias=False)
    losses = []
    for rho in (0.0, 1.0):
        module = SAM(rho=rho, net=net, loss=mse, optimizer=SGD)
        with torch.autocast("cpu", torch.bfloat16):
            losses.append(module.training_loss(X, Y).item())
    assert losses[1] > 1.2 * losses[0]


def test_parameters_that_the_loss_does_not_use_stay_where_they_are():
    net = nn.Linear(4, 1, bias=False)
    net.register_parameter("unused", nn.Parameter(torch.ones(2)))
    module = SAM(rho=0.5, net=net, loss=mse, optimizer=SGD)
    module.training_loss(X, Y).backward()
    assert net.weight.grad.abs().sum() > 0
    assert net.unused.grad is None or not net.unused.grad.any()


def test_a_negative_rho_is_refused():
    with pytest.raises(ValueError, match=r"module\.rho must be 0 or more"):
        SAM(rho=-1.0, net=nn.Linear(4, 1), loss=mse, optimizer=SGD)
