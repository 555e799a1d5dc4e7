import pytest
import torch

from overparam.data.teacher import Teacher
from overparam.exact.bias_variance import bias_variance, products, ridge_inverse
from overparam.models.random_features import RandomFeatures
from overparam.randomness import derive_seed, drawing, generator

PARTS = ("bias", "by_data", "by_init", "by_both", "by_labels", "by_labels_and_init")


def test_the_parts_are_those_of_an_analysis_of_variance():
    values = torch.randn(5, 4, 3, 2, dtype=torch.float64, generator=generator(0, "values"))
    total, same_data, same_init, bias = products(values)
    by_set, by_init, mean = values.mean(1), values.mean(0), values.mean((0, 1))
    of_sets = 4 * (by_set - mean).square().sum(2).mean(1).sum() / (5 - 1)  # mean squares
    of_inits = 5 * (by_init - mean).square().sum(2).mean(1).sum() / (4 - 1)
    rest = values - by_set[:, None] - by_init + mean
    of_rest = rest.square().sum(3).mean(2).sum() / ((5 - 1) * (4 - 1))
    assert (same_data - bias).item() == pytest.approx(((of_sets - of_rest) / 4).item())
    assert (same_init - bias).item() == pytest.approx(((of_inits - of_rest) / 5).item())
    assert (total - same_data - same_init + bias).item() == pytest.approx(of_rest.item())


def test_the_parts_sum_to_the_error_over_draws_of_the_noise():
    (row,) = bias_variance(3, [15], n=10, dim=4, training_sets=2, initializations=2, test_size=20)
    assert sum(row[part] for part in PARTS) == pytest.approx(row["test_mse"])
    data = Teacher(
        task="regression", input_dim=4, num_outputs=1, pool_size=20, test_size=20, dtype="float64", seed=3
    )
    data.setup()
    noise = 0.5 * torch.randn(20, 20_000, dtype=torch.float64, generator=generator(0, "noise"))
    errors = []
    for k in range(2):
        with drawing(derive_seed(3, "init", k)):
            net = RandomFeatures((4,), 1, 15, features="relu")
        for part in (slice(0, 10), slice(10, 20)):
            net.solve(data.train.x[part], data.train.y[part], 1e-3)
            clean = net(data.test.x) - data.test.y
            noisy = net.features(data.test.x) @ ridge_inverse(net.features(data.train.x[part]), 1e-3)
            errors.append((clean + noisy @ noise[part]).square().mean())
    assert torch.stack(errors).mean().item() == pytest.approx(row["test_mse"], rel=0.02)


def test_without_a_penalty_the_inverse_is_the_pseudoinverse():
    features = torch.randn(4, 6, dtype=torch.float64, generator=generator(0, "features"))
    features[3] = features[2]
    torch.testing.assert_close(ridge_inverse(features, 0.0), torch.linalg.pinv(features))
