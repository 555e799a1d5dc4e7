"""Synthetic data against what is known of its law exactly."""

import math

import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import KNeighborsClassifier

from overparam.data.linear import LinearRegression
from overparam.data.mixture import GaussianMixture
from overparam.data.mnist1d import MNIST1D
from overparam.data.modular import ModularAddition
from overparam.data.sine import Sine
from overparam.data.teacher import Teacher
from overparam.data.two_scale import TwoScale

ALL = {
    "linear": lambda **o: LinearRegression(input_dim=12, **o),
    "spiked": lambda **o: LinearRegression(input_dim=12, covariance="spiked", **o),
    "two_scale": lambda **o: TwoScale(fast_dim=4, slow_dim=3, **o),
    "sine": lambda **o: Sine(input_dim=7, sine_dims=2, cosine_dims=3, **o),
    "mixture": lambda **o: GaussianMixture(input_dim=5, num_outputs=3, **o),
    "mnist1d": lambda **o: MNIST1D(**o),
    "teacher": lambda **o: Teacher(input_dim=6, **o),
}


@pytest.mark.parametrize("name", ALL)
def test_every_seed_is_a_world_of_its_own_and_only_the_seed(name):
    pools = [ALL[name](pool_size=64, test_size=32, seed=seed).load() for seed in (0, 0, 1, 2)]
    for a, b in zip(pools[0], pools[1], strict=True):
        assert torch.equal(a, b)
    assert len({tuple(pool.train_x.flatten().tolist()) for pool in pools}) == 3
    train, test = (set(map(tuple, x.tolist())) for x in (pools[0].train_x, pools[0].test_x))
    assert not train & test
    larger = ALL[name](pool_size=200, test_size=32, seed=0, n_train=10).load()
    assert torch.equal(larger.test_x, pools[0].test_x)
    assert torch.equal(larger.test_y, pools[0].test_y)


@pytest.mark.parametrize("name", ALL)
def test_declared_shapes_are_the_loaded_ones(name):
    data = ALL[name](n_train=30, label_noise=0.25)
    data.setup()
    assert data.train.x.shape == (30, *data.input_shape)
    if data.task == "regression":
        assert data.train.y.shape == (30, data.num_outputs)
    else:
        assert data.train.y.dtype == torch.int64
        assert set(data.test.y.tolist()) == set(range(data.num_outputs))


@pytest.mark.parametrize("covariance", ["isotropic", "spiked", "power_law"])
def test_linear_has_the_covariance_it_states(covariance):
    data = LinearRegression(input_dim=8, covariance=covariance, spikes=3, decay=1.5, pool_size=100_000)
    x = data.load().train_x
    expected = data.eigenvalues()
    # Entry (i, j) of a sample covariance has variance (1 + [i = j]) λ_i λ_j / N.
    scale = (torch.outer(expected, expected) * (1 + torch.eye(8)) / len(x)).sqrt()
    assert ((x.T @ x / len(x) - expected.diag()).abs() < 5 * scale).all()


def test_linears_eigenvalues_are_the_textbooks():
    spiked = LinearRegression(input_dim=2000, covariance="spiked", spikes=5)
    values = spiked.eigenvalues()
    assert torch.equal(values[:5], torch.ones(5, dtype=torch.float64))
    assert math.isclose(values[5:].sum(), 1, rel_tol=1e-12)
    assert len(values[5:].unique()) == 1
    assert not spiked.coefficients()[5:].any()
    power = LinearRegression(input_dim=4, covariance="power_law", decay=2.0).eigenvalues()
    torch.testing.assert_close(power, torch.tensor([1, 1 / 4, 1 / 9, 1 / 16], dtype=torch.float64))


@pytest.mark.parametrize("covariance", ["isotropic", "spiked", "power_law"])
def test_linear_targets_are_linear_and_noise_is_the_trainings_alone(covariance):
    data = LinearRegression(covariance=covariance, input_dim=20, signal_norm=5.0, label_noise=0.5, seed=3)
    data.setup()
    theta = data.coefficients()
    assert math.isclose(theta.square().sum(), 5.0, rel_tol=1e-12)
    torch.testing.assert_close(data.test.y[:, 0], data.test.x @ theta, rtol=0, atol=1e-12)
    residual = data.train.y[:, 0] - data.train.x @ theta
    assert abs(residual.std() - 0.5) < 5 * 0.5 / math.sqrt(2 * len(residual))
    # More noise is the same draw, scaled: label noise is nested here too.
    more = LinearRegression(covariance=covariance, input_dim=20, signal_norm=5.0, label_noise=1.0, seed=3)
    more.setup()
    torch.testing.assert_close(more.train.y[:, 0] - more.train.x @ theta, 2 * residual, rtol=0, atol=1e-12)


@pytest.mark.parametrize("p", [50, 150, 198])
def test_least_squares_has_hasties_finite_sample_risk(p):
    # Exact excess risk with isotropic inputs: s² p / (n - p - 1) below n, r² (1 - n/p) + s² n / (p - n - 1) above.
    n, s2, r2 = 100, 1.0, 5.0
    risks = []
    for seed in range(30):
        data = LinearRegression(
            input_dim=p, n_train=n, pool_size=n, signal_norm=r2, label_noise=s2**0.5, seed=seed, test_size=1
        )
        data.setup()
        fitted = torch.linalg.pinv(data.train.x) @ data.train.y[:, 0]
        risks.append((fitted - data.coefficients()).square().sum())
    exact = s2 * p / (n - p - 1) if p < n else r2 * (1 - n / p) + s2 * n / (p - n - 1)
    risks = torch.stack(risks)
    assert abs(risks.mean() - exact) < 4 * risks.std() / math.sqrt(len(risks))


def test_float32_holds_the_same_sample_rounded():
    for make in (LinearRegression, TwoScale):
        single, double = (make(dtype=dtype).load() for dtype in ("float32", "float64"))
        for a, b in zip(single, double, strict=True):
            assert a.dtype == torch.float32
            assert b.dtype == torch.float64
            assert torch.equal(a, b.float())


def test_both_scales_matter_equally_and_are_learned_apart():
    data = TwoScale(signal_variance=2.0, pool_size=50_000)
    theta, values = data.coefficients(), data.eigenvalues()
    for group in (slice(0, 80), slice(80, 100)):
        assert math.isclose((values * theta.square())[group].sum(), 2.0, rel_tol=1e-12)
    x = data.load().train_x
    measured = x.square().mean(0) / values
    assert (measured - 1).abs().max() < 5 * math.sqrt(2 / len(x))
    assert math.isclose(values[0] / values[-1], 400)


def test_two_scale_gradient_flow_descends_twice():
    # Closed form in the eigenbasis of the sample covariance: w(t) = V (1 - exp(-λ t)) / λ Vᵀ Xᵀ y / n.
    times = torch.logspace(0, 5, 26, dtype=torch.float64) / 5
    risks = []
    for seed in range(8):
        data = TwoScale(label_noise=1.0, n_train=200, seed=seed)
        data.setup()
        x, y = data.train.x, data.train.y[:, 0]
        values, basis = torch.linalg.eigh(x.T @ x / len(x))
        target = basis.T @ (x.T @ y / len(x))
        w = (basis * target) @ (-torch.expm1(-values[:, None] * times) / values[:, None])
        risks.append((data.eigenvalues()[:, None] * (w - data.coefficients()[:, None]).square()).sum(0))
    risk = torch.stack(risks).mean(0)
    peak = 6 + risk[6:16].argmax()
    assert risk[peak] > risk[:peak].min() + 0.4  # measured: 1.49 -> 2.14 -> 0.87
    assert risk[peak] > risk[peak:].min() + 0.9


@pytest.mark.parametrize(("classes", "separation"), [(2, 3.0), (5, 2.0)])
def test_the_mixture_is_clouds_around_a_regular_simplex(classes, separation):
    data = GaussianMixture(
        input_dim=7, num_outputs=classes, separation=separation, pool_size=30_000, n_train=2000
    )
    centers = data.centers()
    distances = torch.pdist(centers)
    torch.testing.assert_close(distances, torch.full_like(distances, separation))
    assert centers.mean(0).abs().max() < 1e-12
    pool = data.load()
    noise = pool.train_x.double() - centers[pool.train_y]
    assert (noise.T @ noise / len(noise) - torch.eye(7)).abs().max() < 5 * math.sqrt(2 / len(noise))
    counts = torch.bincount(pool.train_y) / len(pool.train_y)
    assert (counts - 1 / classes).abs().max() < 5 * math.sqrt(1 / classes / len(pool.train_y))


def test_two_clouds_have_the_bayes_error_of_the_textbook():
    data = GaussianMixture(input_dim=6, separation=2.0, pool_size=20_000, test_size=20_000)
    pool = data.load()
    rule = LinearDiscriminantAnalysis().fit(pool.train_x, pool.train_y)
    bayes = 0.5 * math.erfc(1.0 / math.sqrt(2))
    assert abs((1 - rule.score(pool.test_x, pool.test_y)) - bayes) < 5 * math.sqrt(bayes / 20_000)


def test_mnist1d_classes_are_there_and_are_not_linear():
    pool = MNIST1D(pool_size=3000, test_size=1000).load()
    assert pool.train_x.shape == (3000, 40)
    assert pool.train_x.isfinite().all()
    linear = LinearDiscriminantAnalysis().fit(pool.train_x, pool.train_y)
    neighbors = KNeighborsClassifier(1).fit(pool.train_x, pool.train_y)
    assert linear.score(pool.test_x, pool.test_y) < 0.35
    assert neighbors.score(pool.test_x, pool.test_y) > linear.score(pool.test_x, pool.test_y) + 0.15
    assert MNIST1D(length=25).load().train_x.shape == (4000, 25)


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (LinearRegression, {"input_dim": 0}, "input_dim must be a positive integer"),
        (LinearRegression, {"covariance": "spiked", "spikes": 100}, "spikes must be below"),
        (LinearRegression, {"signal_norm": -1.0}, "signal_norm must be"),
        (LinearRegression, {"random_labels": True}, "random_labels"),
        (TwoScale, {"slow_scale": 0.0}, "slow_scale must be positive"),
        (GaussianMixture, {"num_outputs": 30}, "num_outputs must be between 2 and"),
        (GaussianMixture, {"separation": -1.0}, "separation must be"),
        (MNIST1D, {"length": 0}, "length must be"),
    ],
)
def test_what_cannot_be_had_is_refused(make, options, words):
    with pytest.raises(ValueError, match=words):
        make(**options)


def test_sines_are_what_they_say_and_have_the_variance_of_the_textbook():
    data = Sine(
        input_dim=9,
        sine_dims=2,
        cosine_dims=3,
        cosine_weight=0.5,
        pool_size=40_000,
        dtype="float64",
        n_train=40_000,
    )
    data.setup()
    x, y = data.train.x, data.train.y
    expected = torch.sin(x[:, 0] + x[:, 1]) + 0.5 * torch.cos(x[:, 2] + x[:, 3] + x[:, 4])
    torch.testing.assert_close(y[:, 0], expected)
    variance = (1 - math.exp(-4)) / 2 + 0.25 * (1 - math.exp(-3)) ** 2 / 2
    assert y.var().item() == pytest.approx(variance, rel=0.02)
    sine = Sine(
        input_dim=3, sine_dims=3, cosine_dims=0, pool_size=10, n_train=10, label_noise=0.1, dtype="float64"
    )
    sine.setup()
    clean = torch.sin(sine.train.x.sum(1, keepdim=True))
    assert 0.03 < (sine.train.y - clean).std() < 0.3
    torch.testing.assert_close(sine.test.y, torch.sin(sine.test.x.sum(1, keepdim=True)))


def test_modular_addition_is_the_whole_table_split_in_two():
    first, again, other = (ModularAddition(modulus=5, pool_size=12, seed=seed).load() for seed in (0, 0, 1))
    assert torch.equal(first.train_x, again.train_x)
    assert not torch.equal(first.train_x, other.train_x)
    x, y = torch.cat([first.train_x, first.test_x]), torch.cat([first.train_y, first.test_y])
    pairs = [(row[:5].argmax().item(), row[5:].argmax().item()) for row in x]
    assert sorted(pairs) == [(a, b) for a in range(5) for b in range(5)]
    assert (x.sum(1) == 2).all()
    assert y.tolist() == [(a + b) % 5 for a, b in pairs]
    assert len(first.train_y) == 12
    with pytest.raises(ValueError, match="below the 25 pairs there are, got 25"):
        ModularAddition(modulus=5, pool_size=25)
