"""Closed forms against numerics that share nothing with them: quadrature, integration, random matrices, limits."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad, solve_ivp

from overparam.exact.deep_linear import mode_strength
from overparam.exact.mei_montanari import LINEAR, NONLINEAR, random_features_risk
from overparam.exact.regression import two_scale_risk
from overparam.exact.stability import bisect, stable_curvature
from overparam.exact.tangent_kernels import frequency_rate, infinite_width_kernel


def gaussian_features_risk(rng, d, features, samples, penalty, noise):
    """Of features that are linear in the inputs but for independent noise of the variance that a ReLU's rest has."""
    n, width = round(samples * d), round(features * d)
    x, test = rng.normal(size=(n, d)), rng.normal(size=(4000, d))
    w = rng.normal(size=(width, d)) / math.sqrt(d)
    b = rng.normal(size=d)
    b /= np.linalg.norm(b)

    def made(inputs):
        rest = rng.normal(size=(len(inputs), width))
        return math.sqrt(LINEAR) * inputs @ w.T + math.sqrt(NONLINEAR) * rest

    phi, y = made(x), x @ b + math.sqrt(noise) * rng.normal(size=n)
    gram = phi @ phi.T + n * width / d * penalty * np.eye(n)
    readout = phi.T @ np.linalg.solve(gram, y)
    return np.mean((made(test) @ readout - test @ b) ** 2)


@pytest.mark.parametrize(
    ("features", "penalty"), [(0.75, 1e-3), (0.75, 0.1), (1.5, 0.01), (1.5, 0.3), (4.0, 1e-3), (4.0, 0.1)]
)
def test_random_features_are_as_gaussian_ones(features, penalty):
    rng = np.random.default_rng(0)
    draws = [gaussian_features_risk(rng, 150, features, 1.5, penalty, 0.25) for _ in range(12)]
    error = np.std(draws, ddof=1) / math.sqrt(len(draws))
    assert np.mean(draws) == pytest.approx(
        random_features_risk(features, 1.5, penalty, noise=0.25), abs=3 * error
    )


def test_limits_of_the_risk_of_random_features():
    assert random_features_risk(2.0, 1.5, 1e6, signal=3.0, noise=1.0) == pytest.approx(3.0, rel=1e-3)
    assert random_features_risk(0.01, 1.5, 1e-3) == pytest.approx(1.0, abs=0.02)  # nothing to fit with
    peak = [random_features_risk(ratio * 1.5, 1.5, 1e-6, noise=0.25) for ratio in (0.5, 1, 2)]
    assert peak[1] > 20 * max(peak[0], peak[2])  # the interpolation threshold is N = n


@pytest.mark.parametrize("value", [1.0, 3.0])
def test_mode_strengths_solve_their_equation(value):
    solved = solve_ivp(
        lambda _, u: 2 * u * (value - u), (0, 3), [0.05], rtol=1e-10, atol=1e-12, t_eval=[0, 0.5, 1, 3]
    )
    expected = [mode_strength(time, value, 0.05) for time in solved.t]
    assert solved.y[0] == pytest.approx(expected, rel=1e-7)
    assert mode_strength(1e4 / value, value, 0.05) == pytest.approx(value)


def circle(angle):
    return torch.tensor([[1.0, 0.0], [math.cos(angle), math.sin(angle)]], dtype=torch.float64)


def layer_by_quadrature(a, b, c):
    """E relu(u) relu(v) and P(u > 0, v > 0) of Gaussians with covariance [[a, c], [c, b]], in polar coordinates."""
    phi = math.acos(min(1.0, c / math.sqrt(a * b)))
    both = quad(lambda t: max(math.cos(t), 0) * max(math.cos(t - phi), 0), -math.pi, math.pi, limit=200)[0]
    return math.sqrt(a * b) * both / math.pi, (math.pi - phi) / (2 * math.pi)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("angle", [0.0, 0.4, 2.0, math.pi])
def test_kernels_of_infinite_width_by_quadrature(depth, angle):
    # On the unit circle with d = 2 and weights of variance 2 a layer keeps the variance 1, the readout halves it.
    cross, kernel = math.cos(angle), math.cos(angle) + 1
    for layer in range(depth):
        gain = 2 if layer < depth - 1 else 1
        product, active = layer_by_quadrature(1.0, 1.0, cross)
        cross = gain * product
        kernel = kernel * gain * active + cross + 1
    found = infinite_width_kernel(circle(angle), depth)
    assert found[0, 1].item() == pytest.approx(kernel, rel=1e-6)
    scaled = infinite_width_kernel(3 * circle(angle), depth)  # only biases do not scale with the inputs
    assert (scaled[0, 1] < 9 * found[0, 1]).item()


@pytest.mark.parametrize("frequency", [0, 1, 2, 3, 4, 7, 8])
def test_rates_of_frequencies_are_fourier_coefficients(frequency):
    def kernel(phi):
        return (1 + math.cos(phi)) * (math.pi - phi) / (2 * math.pi)

    found = quad(lambda phi: kernel(phi) * math.cos(frequency * phi) / math.pi, 0, math.pi)[0]
    assert frequency_rate(frequency) == pytest.approx(found, rel=1e-8)


def iteration(kind, s, b):
    """One step of (x, the step before or the momentum) on the quadratic of curvature s, at learning rate 1."""
    return {
        "gd": [[1 - s, 0], [1, 0]],
        "heavy_ball": [[1 - s + b, -b], [1, 0]],
        "nesterov": [
            [(1 + b) * (1 - s), -b * (1 - s)],
            [1, 0],
        ],  # of the point at which the gradient is taken
        "adam": [[1 - (1 - b) * s + b, -b], [1, 0]],
    }[kind]


@pytest.mark.parametrize("kind", ["gd", "heavy_ball", "nesterov", "adam"])
@pytest.mark.parametrize("momentum", [0.5, 0.9])
def test_optimizers_are_stable_up_to_their_bound(kind, momentum):
    bound = stable_curvature(kind, momentum)
    radius = [max(abs(np.linalg.eigvals(iteration(kind, bound * f, momentum)))) for f in (0.999, 1, 1.001)]
    assert radius[0] < 1
    assert radius[1] == pytest.approx(1, abs=1e-9)
    assert radius[2] > 1


def test_adam_with_the_usual_momentum_is_stable_up_to_38():
    assert stable_curvature("adam", 0.9) == pytest.approx(38)


@pytest.mark.parametrize(
    ("start", "end"), [(1.9, "falls"), (2.5, "catapult"), (3.9, "catapult"), (4.1, "diverges")]
)
def test_the_catapult_of_the_recursion(start, end):
    g, a, losses = 1e-4, start, []  # lr^2 f^2 / m, lr k
    for _ in range(3000):
        losses.append(g)
        g, a = g * (1 - a + g) ** 2, a + g * (a - 4)
        if g > 1e6:
            break
    if end == "diverges":
        assert losses[-1] > 1e3 or g > 1e6
    else:
        assert losses[-1] < 1e-8
        assert (max(losses) > 2 * losses[0]) == (end == "catapult")
        assert a <= start


def test_two_scales_at_both_ends_of_time():
    knobs = {"lr": 0.5, "scales": (1.0, 0.1), "energies": (2.0, 3.0), "noise": (0.7, 0.4)}
    assert two_scale_risk(0, **knobs) == 5.0
    assert two_scale_risk(1e5, **knobs) == pytest.approx(1.1)
    assert two_scale_risk(20, **knobs) > two_scale_risk(1, **knobs) - 2  # noise is learned by then
    slow = two_scale_risk(20, **knobs) - 0.7
    assert slow == pytest.approx(3 * 0.995**40 + 0.4 * (1 - 0.995**20) ** 2, rel=1e-4)


def test_what_bisection_finds_is_unbiased():
    found = [bisect(lambda value: value > 1.7, 2.0, 4, seed) / 1.7 for seed in range(400)]
    width = 4 ** (1 / 2**4)
    assert max(found) / min(found) <= width * 1.0001
    assert np.mean(np.log(found)) == pytest.approx(0, abs=3 * math.log(width) / math.sqrt(12 * 400))
