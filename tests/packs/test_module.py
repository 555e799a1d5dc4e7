"""The gradient that a pack starts from is that of its members' losses."""

import torch

from overparam.packs.module import cross_entropy_slopes
from overparam.training.objective import cross_entropy


def test_cross_entropy_slopes_are_the_derivative_of_weighted_losses():
    rng = torch.Generator().manual_seed(0)
    outputs = torch.randn(3, 4, 6, dtype=torch.float64, generator=rng).mul(3).requires_grad_()
    y = torch.randint(4, (3, 6), generator=rng)
    weights = torch.rand(3, 6, dtype=torch.float64, generator=rng)
    losses = cross_entropy(outputs, y)
    (expected,) = torch.autograd.grad((losses * weights).sum(), [outputs])
    torch.testing.assert_close(cross_entropy_slopes(outputs.detach(), y, weights), expected)
