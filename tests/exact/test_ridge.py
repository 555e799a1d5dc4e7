import math

import pytest
import torch

from overparam.exact.ridge import (
    min_norm_interpolation,
    min_norm_risk,
    ridge_regression,
    ridge_risk,
    ridgeless_risk,
)


@pytest.mark.parametrize("p", [10, 30, 60, 120])
def test_ridgeless_risk_is_the_exact_expectation(p):
    rows = [ridge_regression(seed, [p], n=40, repetitions=60)[0] for seed in range(4)]
    mean = sum(row["excess_risk"] for row in rows) / 4
    # 240 draws; the standard error is below 5% everywhere but next to p = n.
    assert mean == pytest.approx(ridgeless_risk(p, 40, 5.0, 1.0), rel=0.12)


def test_ridge_risk_is_met_by_large_matrices():
    (row,) = ridge_regression(0, [450], n=300, penalties=[0.3], repetitions=3)
    assert row["excess_risk"] == pytest.approx(ridge_risk(1.5, 0.3, 5.0, 1.0), rel=0.08)


@pytest.mark.parametrize("ratio", [0.5, 2.0])
def test_ridge_risk_tends_to_the_ridgeless_limit(ratio):
    limit = ridgeless_risk(int(ratio * 10**8), 10**8, 5.0, 1.0)
    assert ridge_risk(ratio, 1e-7, 5.0, 1.0) == pytest.approx(limit, rel=1e-4)


def test_ridge_risk_is_least_at_noise_over_signal():
    best = 1.5 * 1.0 / 5.0
    risks = [ridge_risk(1.5, best * factor, 5.0, 1.0) for factor in (0.8, 1.0, 1.25)]
    assert min(risks) == risks[1]


def test_ridgeless_risk_by_hand():
    assert ridgeless_risk(50, 200, 5.0, 1.0) == pytest.approx(50 / 149)
    assert ridgeless_risk(400, 200, 5.0, 1.0) == pytest.approx(2.5 + 200 / 199)
    assert math.isinf(ridgeless_risk(200, 200, 5.0, 1.0))


def test_benign_and_harmful_covariances():
    spectra = [{"n": 100, "k": 5, "p": 8000}, {"n": 100, "k": 10, "p": 110}, {"n": 100, "k": 0, "p": 8000}]
    benign, short, flat = min_norm_interpolation(0, spectra, repetitions=2)
    assert max(row["train_mse"] for row in (benign, short, flat)) < 1e-18
    assert benign["test_over_noise"] < 1.15
    assert short["test_over_noise"] > 4
    # An isotropic covariance with p >> n predicts next to nothing: excess risk ||b||^2 = 1.
    assert flat["test_over_noise"] == pytest.approx(2.0, abs=0.05)
    assert benign["effective_rank"] == pytest.approx(7995)


def test_population_risk_is_that_of_a_large_test_set():
    rows = min_norm_interpolation(3, [{"n": 30, "k": 0, "p": 60}], repetitions=1)
    from overparam.randomness import generator

    rng = generator(3, "exact", "benign", 30, 0, 60, 0)
    x = torch.randn(30, 60, dtype=torch.float64, generator=rng)
    b = torch.randn(60, dtype=torch.float64, generator=rng)
    b /= b.norm()
    y = x @ b + torch.randn(30, dtype=torch.float64, generator=rng)
    estimate = torch.linalg.pinv(x) @ y
    fresh = torch.randn(200_000, 60, dtype=torch.float64, generator=rng)
    mse = (fresh @ (estimate - b) + torch.randn(200_000, dtype=torch.float64, generator=rng)).square().mean()
    assert rows[0]["test_over_noise"] == pytest.approx(mse.item(), rel=0.02)


@pytest.mark.parametrize(("k", "p"), [(0, 50), (0, 200), (0, 1000), (5, 400), (5, 2000)])
def test_min_norm_risk_is_met_by_draws(k, p):
    rows = [
        min_norm_interpolation(seed, [{"n": 100, "k": k, "p": p}], repetitions=10)[0] for seed in range(3)
    ]
    mean = sum(row["test_over_noise"] for row in rows) / 3
    assert mean == pytest.approx(rows[0]["theory"], rel=0.06)  # measured: within 2%


def test_min_norm_risk_is_hasties_limit_for_isotropic_inputs():
    n, p = 1000, 3000
    ones = torch.ones(p, dtype=torch.float64)
    # r2 (1 - n/p) + s2 (n/p) / (1 - n/p) + s2, Hastie et al. 2019, theorem 1.
    expected = 5 * (1 - n / p) + (n / p) / (1 - n / p) + 1
    assert min_norm_risk(ones, 5 * ones / p, n, 1.0) == pytest.approx(expected, rel=1e-9)
