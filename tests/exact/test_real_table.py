import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes

from overparam.exact.real_table import three_factors
from overparam.randomness import generator

VARIANTS = ["all three", "no small singular values", "test inputs in the span", "no residuals"]


def by_hand(seed, n, cutoff):
    """The four test errors of one draw: pseudo-inverses, and the sum over singular values for the estimate's error."""
    table = load_diabetes(scaled=False)
    x, y = ((part - part.mean(0)) / part.std(0, ddof=1) for part in (table.data, table.target))
    b = np.linalg.pinv(x) @ y
    order = torch.randperm(442, generator=generator(seed, "exact", "real_table", n, 0)).numpy()
    train, test = order[:n], order[n:]
    e = y - x @ b
    u, s, vh = np.linalg.svd(x[train], full_matrices=False)
    kept = [i for i in range(len(s)) if s[i] >= cutoff * s[0]]

    def error(
        inputs, modes, residuals
    ):  # of x . b_hat - x . b, by singular values; what modes leave out is missed
        seen = sum(np.outer(inputs @ vh[i], vh[i]) for i in modes)
        noise = sum((inputs @ vh[i]) * (u[:, i] @ residuals) / s[i] for i in modes)
        return noise + (seen - inputs) @ b

    whole = range(len(s))
    moved = x[test] @ sum(np.outer(vh[i], vh[i]) for i in kept)
    return [
        np.mean((error(x[test], whole, e[train]) - e[test]) ** 2),
        np.mean((error(x[test], kept, e[train]) - e[test]) ** 2),
        np.mean((error(moved, whole, e[train]) - e[test]) ** 2),
        np.mean(error(x[test], whole, 0 * e[train]) ** 2),
    ]


@pytest.mark.parametrize("n", [6, 10, 25])
def test_each_variant_is_the_sum_over_singular_values(n):
    rows = three_factors(3, [n], repetitions=1, cutoff=0.3)
    assert [row["variant"] for row in rows] == VARIANTS
    assert [row["test_mse"] for row in rows] == pytest.approx(by_hand(3, n, 0.3), rel=1e-8, abs=1e-20)


def test_interpolation_ends_at_n_equal_to_p_and_a_linear_target_is_found_there():
    train = {
        row["n"]: row["train_mse"]
        for row in three_factors(0, [9, 10, 12], 3)
        if row["variant"] == "all three"
    }
    assert max(train[9], train[10]) < 1e-20 < 1e-3 < train[12]
    found = {
        row["n"]: row["test_mse"] for row in three_factors(0, [9, 10], 3) if row["variant"] == "no residuals"
    }
    assert found[10] < 1e-18 < 1e-4 < found[9]
