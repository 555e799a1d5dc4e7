import pytest
import torch

from overparam.data.digits import Digits
from overparam.exact.catapult import catapult
from overparam.models.mlp import MLP
from overparam.randomness import derive_seed, drawing


def by_hand(activation, rate, width=64, n=10, steps=40):
    """Gradient descent on half the mean squared error by autograd on plain tensors, and J J^T / n by its rows."""
    data = Digits(n_train=n, classes=[0, 1], seed=4)
    data.setup()
    x, y = data.train.x.double().flatten(1), 2.0 * data.train.y.double() - 1
    x = 8 * x / x.square().sum(1).mean().sqrt()
    with drawing(derive_seed(4, "init")):
        net = MLP(
            (64,),
            1,
            width,
            1,
            activation,
            init="lecun" if activation == "identity" else "he",
            parametrization="ntk",
        )
    weights = [p.detach().double().requires_grad_() for p in net.parameters()]
    gain = 1 if activation == "identity" else 2

    def outputs(w, b, v, c):
        hidden = x @ w.T * (gain / 64) ** 0.5 + b
        hidden = hidden.relu() if activation == "relu" else hidden
        return (hidden @ v.T / width**0.5 + c)[:, 0]

    def curvature():
        rows = [
            torch.cat([g.flatten() for g in torch.autograd.grad(f, weights, retain_graph=True)])
            for f in outputs(*weights)
        ]
        return torch.linalg.eigvalsh(torch.stack(rows) @ torch.stack(rows).T)[-1].item() / n

    first, losses = curvature(), []
    for _ in range(steps):
        loss = (outputs(*weights) - y).square().mean() / 2
        losses.append(loss.item())
        gradients = torch.autograd.grad(loss, weights)
        weights = [
            (p - rate / first * g).detach().requires_grad_() for p, g in zip(weights, gradients, strict=True)
        ]
    losses = torch.tensor(losses).double().log2()
    return (losses.max() - losses[0]).item(), (losses[-1] - losses[0]).item(), rate * curvature() / first


@pytest.mark.parametrize("activation", ["identity", "relu"])
@pytest.mark.parametrize("rate", [1.0, 2.5])
def test_training_is_that_of_plain_gradient_descent(activation, rate):
    (row,) = catapult(4, [activation], [rate], width=64, n=10, steps=40, halvings=1)
    assert (row["log2_rise"], row["log2_end"], row["rate_at_end"]) == pytest.approx(
        by_hand(activation, rate), rel=1e-4
    )


def test_what_diverges_has_no_end():
    (row,) = catapult(4, ["identity"], [8.0], width=64, n=10, steps=400, halvings=5)
    assert row["log2_end"] is None
    assert row["rate_at_end"] is None
    assert 1.7 < row["rises_at"] < 2.4 < row["diverges_at"] < 5
