"""Linear and random-feature networks against linear algebra and against their limiting kernels."""

import math

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

from overparam.models.linear import Linear
from overparam.models.random_features import RandomFeatures, least_squares_readout


def descend(net, x, targets, steps, lr):
    for _ in range(steps):
        net.zero_grad()
        (0.5 * (net(x) - targets).square().sum()).backward()
        with torch.no_grad():
            for p in net.parameters():
                p -= lr * p.grad


@pytest.mark.parametrize("bias", [True, False])
def test_gradient_descent_from_zero_finds_the_minimum_norm_interpolator(bias):
    torch.manual_seed(0)
    x, targets = torch.randn(8, 30, dtype=torch.float64), torch.randn(8, 2, dtype=torch.float64)
    net = Linear((30,), 2, bias=bias).double()
    descend(net, x, targets, steps=2000, lr=0.02)
    augmented = torch.cat([x, torch.ones(8, 1, dtype=x.dtype)], 1) if bias else x
    found = torch.cat([net.readout.weight, net.readout.bias[:, None]], 1) if bias else net.readout.weight
    torch.testing.assert_close(found.detach().T, torch.linalg.pinv(augmented) @ targets)


def test_linear_inits():
    assert all(p.abs().max() == 0 for p in Linear((4, 4, 4), 3).parameters())
    normal = Linear((400,), 300, init="normal")
    assert normal.readout.weight.std().item() == pytest.approx(1 / 20, rel=0.02)
    assert normal.readout.bias.abs().max() == 0


@pytest.mark.parametrize("shape", [(12, 5), (12, 12), (12, 40)], ids=["n>N", "n=N", "n<N"])
def test_least_squares_readout_is_the_pseudo_inverse(shape):
    torch.manual_seed(1)
    features, targets = torch.randn(shape, dtype=torch.float64), torch.randn(12, 3, dtype=torch.float64)
    readout = least_squares_readout(features, targets)
    torch.testing.assert_close(readout.T, torch.linalg.pinv(features) @ targets)
    if shape[1] >= shape[0]:
        torch.testing.assert_close(features @ readout.T, targets)


@pytest.mark.parametrize("shape", [(12, 5), (12, 40)])
def test_ridge_readout_solves_the_normal_equations(shape):
    torch.manual_seed(2)
    features, targets = torch.randn(shape, dtype=torch.float64), torch.randn(12, 3, dtype=torch.float64)
    gram = features.T @ features + 0.7 * torch.eye(shape[1], dtype=torch.float64)
    expected = torch.linalg.solve(gram, features.T @ targets)
    torch.testing.assert_close(least_squares_readout(features, targets, ridge=0.7).T, expected)
    with pytest.raises(ValueError, match="ridge must not be negative, got -1"):
        least_squares_readout(features, targets, ridge=-1)


def test_rank_deficient_features_have_a_bounded_readout():
    features = torch.tensor([[1.0, 1.0], [1.0, 1.0]])
    readout = least_squares_readout(features, torch.tensor([[2.0], [2.0]]))
    torch.testing.assert_close(readout, torch.ones(1, 2, dtype=torch.float64))


def test_training_tends_to_the_closed_form():
    torch.manual_seed(3)
    x, targets = torch.randn(6, 10, dtype=torch.float64), torch.randn(6, 2, dtype=torch.float64)
    net = RandomFeatures((10,), 2, width=200, features="relu")
    descend(net, x, targets, steps=3000, lr=0.2)
    trained = net.readout.weight.detach().clone()
    net.solve(x, targets)
    torch.testing.assert_close(trained, net.readout.weight.detach())


@pytest.mark.parametrize("features", ["rbf", "relu"])
def test_features_approach_their_kernel(features):
    torch.manual_seed(4)
    sigma, x = 1.7, torch.randn(5, 3, dtype=torch.float64)
    net = RandomFeatures((3,), 1, width=200_000, features=features, sigma=sigma)
    phi = net.features(x)
    if features == "rbf":
        kernel = torch.exp(-torch.cdist(x, x).square() / (2 * sigma**2))
    else:
        norms = x.norm(dim=1)
        angle = torch.acos((x @ x.T / torch.outer(norms, norms)).clamp(-1, 1))
        kernel = torch.outer(norms, norms) * (angle.sin() + (math.pi - angle) * angle.cos())
        kernel /= math.pi * sigma**2
    torch.testing.assert_close(phi @ phi.T, kernel, atol=0.02, rtol=0)


def test_both_precisions_hold_one_draw_and_the_first_layer_is_not_trained():
    nets = []
    for dtype in ("float32", "float64"):
        torch.manual_seed(5)
        nets.append(RandomFeatures((1, 8, 8), 3, width=7, dtype=dtype))
    single, double = nets
    assert torch.equal(single.weight, double.weight.float())
    assert torch.equal(single.phase, double.phase.float())
    x = torch.randn(4, 1, 8, 8)
    assert (single(x).dtype, double(x).dtype) == (torch.float32, torch.float64)
    assert [name for name, _ in double.named_parameters()] == ["readout.weight"]


def test_sigma_defaults_to_the_square_root_of_the_dimension():
    nets = []
    for sigma in (None, 8.0):
        torch.manual_seed(6)
        nets.append(RandomFeatures((1, 8, 8), 3, width=7, sigma=sigma))
    assert torch.equal(nets[0].weight, nets[1].weight)


def test_double_descent_of_the_random_feature_readout_on_digits():
    """Digits, n = 400, 10% of the labels flipped, sigma = 8: the summed squared test error peaks at N = n."""
    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images) / 16, torch.tensor(labels)
    x = (x - x.mean()) / x.std()
    n, ratios = 400, (0.2, 0.9, 1.0, 1.1, 5.0)
    error = torch.zeros(len(ratios), 3)
    for seed in range(error.shape[1]):
        torch.manual_seed(seed)
        order = torch.randperm(len(y))
        train, test = order[:n], order[-597:]
        noisy = torch.where(torch.rand(n) < 0.1, (y[train] + torch.randint(1, 10, (n,))) % 10, y[train])
        for i, ratio in enumerate(ratios):
            net = RandomFeatures((64,), 10, width=round(ratio * n))
            net.solve(x[train], F.one_hot(noisy, 10))
            with torch.no_grad():
                error[i, seed] = (net(x[test]) - F.one_hot(y[test], 10)).square().sum(1).mean()
                if ratio >= 1:
                    assert (net(x[train]) - F.one_hot(noisy, 10)).abs().max() < 1e-6
    small, below, peak, above, large = error.mean(1).tolist()
    assert 0.3 < small < 0.45
    assert 2 < below < 5
    assert peak > 20
    assert 2 < above < 6
    assert 0.3 < large < 0.55
