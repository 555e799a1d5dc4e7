import numpy as np
import pytest

from overparam.exact.optimal_ridge import optimal_ridge
from overparam.exact.ridge import ridgeless_risk


def bayes_risk(rng, n, p, d, signal, noise, factor):
    """Mean excess risk of ridge regression at `factor` times the posterior's penalty, by normal equations."""
    x, b = rng.normal(size=(n, d)), rng.normal(size=d) * np.sqrt(signal / d)
    y = x @ b + np.sqrt(noise) * rng.normal(size=n)
    penalty = factor * (noise + signal * (1 - p / d)) / (signal / d)
    estimate = np.zeros(d)
    estimate[:p] = np.linalg.solve(x[:, :p].T @ x[:, :p] + penalty * np.eye(p), x[:, :p].T @ y)
    return np.sum((estimate - b) ** 2)


@pytest.mark.parametrize(("n", "p"), [(20, 12), (20, 20), (40, 20)])
def test_the_penalty_is_the_best_and_its_risk_that_of_another_code(n, p):
    found = [bayes_risk(np.random.default_rng(i), n, p, 20, 1.0, 0.5, 1.0) for i in range(1500)]
    for factor in (0.5, 2.0):  # the same draws
        others = [bayes_risk(np.random.default_rng(i), n, p, 20, 1.0, 0.5, factor) for i in range(1500)]
        assert np.mean(np.subtract(others, found)) > 0
    axis, values = ("size", [p]) if p < 20 else ("samples", [n])
    rows = optimal_ridge(0, values if p == 20 else [5], values if p < 20 else [5], 20, n, 1.0, 0.5, 400)
    (row,) = [r for r in rows if (r["axis"], r["at"], r["penalty"]) == (axis, values[0], "best")]
    spread = np.std(found) * np.sqrt(1 / 400 + 1 / 1500)
    assert row["excess_risk"] == pytest.approx(np.mean(found), abs=4 * spread)
    assert row["risk_over_theory"] == pytest.approx(1, abs=0.15)  # a limit, at d = 20


def test_without_a_penalty_it_is_the_exact_risk():
    rows = optimal_ridge(0, [10, 80], [40], dim=40, n=20, repetitions=200)
    for n in (10, 80):
        (row,) = [r for r in rows if (r["axis"], r["n"], r["penalty"]) == ("samples", n, "none")]
        assert row["excess_risk"] == pytest.approx(ridgeless_risk(40, n, 1.0, 0.25), rel=0.1)
