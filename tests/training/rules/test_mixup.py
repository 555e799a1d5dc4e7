"""Mixup: its loss, and its two limits."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from overparam.runs.identity import run_directory
from overparam.training.objective import cross_entropy
from overparam.training.rules.mixup import Mixup
from overparam.training.run import train

X, Y = torch.randn(12, 5, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 3


def mixup(alpha):
    net = nn.Linear(5, 3)
    return Mixup(alpha=alpha, net=net, loss=cross_entropy, optimizer=partial(torch.optim.SGD, lr=0.1))


def test_the_loss_is_the_mix_of_two_losses():
    module = mixup(1.0)
    torch.manual_seed(1)
    found = module.training_loss(X, Y)
    torch.manual_seed(1)
    share = torch.distributions.Beta(1.0, 1.0).sample()
    partner = torch.randperm(12)
    outputs = module.net(share * X + (1 - share) * X[partner])
    expected = share * F.cross_entropy(outputs, Y) + (1 - share) * F.cross_entropy(outputs, Y[partner])
    torch.testing.assert_close(found, expected)
    assert 0.01 < share < 0.99
    assert abs(found - F.cross_entropy(module.net(X), Y)) > 1e-3


def test_one_share_a_batch_has_the_variance_of_a_beta():
    module = mixup(0.5)
    torch.manual_seed(0)
    shares = torch.stack([module._beta.sample() for _ in range(4000)])
    assert shares.mean().item() == pytest.approx(0.5, abs=0.02)
    assert shares.var().item() == pytest.approx(1 / (4 * (2 * 0.5 + 1)), abs=0.01)


def test_small_alpha_comes_to_the_plain_loss():
    torch.manual_seed(0)
    module = mixup(0.01)
    plain = F.cross_entropy(module.net(X), Y)
    differences = torch.stack([abs(module.training_loss(X, Y) - plain) for _ in range(41)])
    assert differences.median() < 1e-6  # of a batch that is itself, or itself in another order
    module = mixup(1.0)
    differences = torch.stack([abs(module.training_loss(X, Y) - plain) for _ in range(41)])
    assert differences.median() > 1e-2


def test_alpha_0_is_plain_training_bit_for_bit(small):
    plain, mixed = small("data.batch_size=16"), small("data.batch_size=16", "module=mixup", "module.alpha=0")
    train(plain), train(mixed)
    assert run_directory(plain) != run_directory(mixed)
    for name in ("metrics.csv", "weights.pt"):
        assert (run_directory(plain) / name).read_bytes() == (run_directory(mixed) / name).read_bytes()


@pytest.mark.parametrize("alpha", [-0.1, 0.001])
def test_an_alpha_that_cannot_be_drawn_is_refused(alpha):
    with pytest.raises(ValueError, match=r"module\.alpha must be 0, or 0\.01 or more"):
        mixup(alpha)
