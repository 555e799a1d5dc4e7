import numpy as np
import pytest
import torch

from overparam.exact.early_stopping import early_stopping
from overparam.randomness import generator


def test_rows_are_those_of_gradient_flow_and_ridge_by_integration():
    """The same draw, by the eigenvectors of X^T X / n in numpy and the flow's solution for each of them."""
    n, dim, teachers = 6, 9, 3
    rows = early_stopping(2, [1.0], n, dim, 0.5, teachers, step=1e-3, steps=[200, 1000, 2000])
    rng = generator(2, "exact", "early_stopping", "1.0")
    draws = [
        torch.randn(*shape, dtype=torch.float64, generator=rng).numpy()
        for shape in ((n, dim), (dim, teachers), (n, teachers))
    ]
    x = draws[0] / np.sqrt(np.arange(1, dim + 1))
    b = draws[1] / 3
    y = x @ b + np.sqrt(0.5) * draws[2]
    values, vectors = np.linalg.eigh(x.T @ x / n)
    values = values.clip(min=1e-14)
    target = vectors.T @ x.T @ y / n
    for row in rows:
        t = row["time"]
        flow = vectors @ (((1 - np.exp(-t * values)) / values)[:, None] * target)
        ridge = np.linalg.solve(x.T @ x / n + np.eye(dim) / t, x.T @ y / n)
        assert row["descent_risk"] == pytest.approx(((flow - b) ** 2).sum(0).mean(), rel=5e-3)
        assert row["ridge_risk"] == pytest.approx(((ridge - b) ** 2).sum(0).mean(), rel=1e-9)
    ratios = [row["descent_risk"] / row["ridge_risk"] for row in rows]
    assert rows[0]["largest_ratio"] == max(ratios)
    assert rows[0]["best_ratio"] == min(r["descent_risk"] for r in rows) / min(r["ridge_risk"] for r in rows)


def test_the_papers_constant_is_the_supremum_of_the_variances_ratio():
    x = np.linspace(1e-3, 50, 100_000)
    assert (((1 - np.exp(-x)) * (1 + x) / x) ** 2).max() == pytest.approx(1.6862, abs=5e-4)


def test_risks_are_the_mean_that_theory_says():
    found = [
        row["risk_over_theory"]
        for seed in range(3)
        for row in early_stopping(seed, teachers=400, step=0.01, steps=[100, 400])
    ]
    assert np.mean(found) == pytest.approx(1, abs=0.03)
