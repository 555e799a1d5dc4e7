import pytest
import torch
import torch.nn.functional as F

from overparam.data.digits import Digits
from overparam.exact.gradient_descent import descent_path, min_norm_solution, two_scale_regression
from overparam.exact.random_features import kernel_regression, mse, random_features


def problem(n=6, p=15):
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(n, p, dtype=torch.float64, generator=rng)
    return (
        x,
        torch.randn(n, dtype=torch.float64, generator=rng),
        torch.randn(p, dtype=torch.float64, generator=rng),
    )


def descend(x, y, start, lr, steps):
    b = start.clone()
    for _ in range(steps):
        b -= lr * x.T @ (x @ b - y) / len(x)
    return b


def test_gradient_descent_from_zero_ends_at_the_minimum_norm_solution():
    x, y, _ = problem()
    end = descend(x, y, torch.zeros(15, dtype=torch.float64), 0.1, 20_000)
    torch.testing.assert_close(end, min_norm_solution(x, y), rtol=0, atol=1e-9)
    torch.testing.assert_close(end, x.T @ torch.linalg.solve(x @ x.T, y), rtol=0, atol=1e-9)


def test_gradient_descent_from_elsewhere_ends_at_the_nearest_interpolator():
    x, y, start = problem()
    end = descend(x, y, start, 0.1, 20_000)
    torch.testing.assert_close(end, min_norm_solution(x, y, start), rtol=0, atol=1e-9)
    assert (end - min_norm_solution(x, y)).norm() > 1  # and not at the one of least norm
    other = end + (torch.eye(15).double() - torch.linalg.pinv(x) @ x) @ torch.ones(15).double()
    torch.testing.assert_close(x @ other, y)  # another interpolator, farther from the start
    assert (end - start).norm() < (other - start).norm()


@pytest.mark.parametrize(("n", "p"), [(6, 15), (15, 6)])
def test_the_whole_path_is_that_of_gradient_descent(n, p):
    x, y, start = problem(n, p)
    steps = [0, 1, 7, 100, 3000]
    path = descent_path(x, y, 0.05, steps, start)
    for step, closed in zip(steps, path, strict=True):
        torch.testing.assert_close(closed, descend(x, y, start, 0.05, step), rtol=0, atol=1e-10)


def test_two_scales_descend_twice_as_theory_says():
    steps = [0, 1, 2, 10, 30, 100, 300, 1000]
    rows = [two_scale_regression(seed, steps=steps) for seed in range(3)]
    for run in rows:
        assert all(row["excess_risk"] == pytest.approx(row["closed_form"], rel=1e-9) for row in run)
    mean = [sum(run[i]["excess_risk"] for run in rows) / 3 for i in range(len(steps))]
    theory = [row["theory"] for row in rows[0]]
    assert mean == pytest.approx(theory, rel=0.25)  # theory leaves out p/n, which is 0.09
    first_dip, bump, second_dip = min(mean[:3]), max(mean[2:6]), min(mean[5:])
    assert first_dip < bump - 0.1
    assert second_dip < bump - 0.1


def test_random_features_interpolate_from_n_features_on_and_peak_there():
    rows = {row["width"]: row for row in random_features(0, [40, 200, 800], samples=[200])}
    assert rows[40]["train_mse"] > 0.1
    assert rows[200]["train_mse"] < 1e-15
    assert rows[800]["train_mse"] < 1e-15
    assert rows[200]["test_mse"] > 20 * max(rows[40]["test_mse"], rows[800]["test_mse"])


def test_a_ridge_takes_the_peak_away():
    ridge = {row["width"]: row for row in random_features(0, [40, 200], samples=[200], penalties=[0.1])}
    assert ridge[200]["test_mse"] < ridge[40]["test_mse"]


def test_many_random_features_tend_to_kernel_regression():
    rows = random_features(0, [400, 20_000], samples=[100], penalties=[0.3])
    few, many = (abs(row["test_mse"] / row["theory"] - 1) for row in rows)
    assert many < 0.02
    assert many < few


def test_random_features_may_have_a_test_set_of_their_own_for_every_seed():
    data = Digits(n_train=100, label_noise=0.1, seed=3, resplit=True)
    data.setup()
    targets, test_targets = (F.one_hot(part.y, 10).double() for part in (data.train, data.test))
    expected = mse(kernel_regression(data.train.x, targets, data.test.x, 8.0, 0.3), test_targets)
    (row,) = random_features(3, [4], samples=[100], penalties=[0.3], resplit=True)
    assert row["theory"] == expected
