from itertools import pairwise, product

import numpy as np
import pytest

from overparam.exact.effective_parameters import effective_parameters, not_u_shaped


def test_parameters_are_counted_and_the_fit_is_that_of_random_features():
    from overparam.exact.random_features import random_features

    widths = [20, 60, 150]
    rows = effective_parameters(1, widths, n=60, penalty=0.0)
    # Least squares uses as many as it has on its own samples, and never more than there are of those.
    assert [row["train_parameters"] for row in rows] == pytest.approx([20, 60, 60])
    assert rows[1]["test_parameters"] > 5 * max(rows[0]["test_parameters"], rows[2]["test_parameters"])
    others = random_features(1, widths, samples=[60], label_noise=0.1)
    assert [row["test_mse"] for row in rows] == pytest.approx([row["test_mse"] for row in others], rel=1e-4)


def test_a_u_is_explained_and_a_peak_is_not():
    assert not_u_shaped([1, 2, 3, 4], [3, 1, 2, 5]) == 0
    assert not_u_shaped([4, 1, 3, 2], [5, 3, 2, 1]) == 0  # in the order of x
    assert not_u_shaped([1, 2, 3], [0, 1, 0]) == pytest.approx(0.5 / (2 / 3))


def test_the_best_u_by_trying_all():
    for y in ([2, 3, 0, 3, 1], [0, 3, 1, 2, 3], [3, 0, 3, 0, 3]):
        shapes = [
            u
            for u in product(np.arange(0, 3.01, 0.5), repeat=5)
            if any(
                all(a >= b for a, b in pairwise(u[:k])) and all(a <= b for a, b in pairwise(u[k:]))
                for k in range(6)
            )
        ]
        best = min(sum((a - b) ** 2 for a, b in zip(u, y, strict=True)) for u in shapes)
        values = np.array(y, dtype=float)
        assert not_u_shaped(range(5), y) == pytest.approx(
            best / ((values - values.mean()) ** 2).sum(), abs=1e-12
        )
