import pytest
import torch
import torch.nn.functional as F

from overparam.data.digits import Digits
from overparam.exact.noise_regimes import noise_regimes
from overparam.models.random_features import RandomFeatures
from overparam.randomness import derive_seed, drawing


def test_each_level_of_noise_has_the_least_squares_of_its_own_labels():
    rows = noise_regimes(2, [30], [0.5, 4], [0.1, 0.4], repetitions=2)
    assert [(row["width"], row["noise"]) for row in rows] == [(15, 0.1), (15, 0.4), (120, 0.1), (120, 0.4)]
    for row in rows:
        errors = [
            by_hand(row["width"], noise, repetition) for noise in (row["noise"], 0.0) for repetition in (0, 1)
        ]
        train, test = ((a + b) / 2 for a, b in zip(*errors[:2], strict=True))
        clean = (errors[2][1] + errors[3][1]) / 2
        assert [row["train_error"], row["test_error"], row["clean_error"]] == pytest.approx(
            [train, test, clean]
        )
        assert row["cost"] == pytest.approx((test - clean) / row["noise"])
    assert rows[3]["train_error"] == 0  # four times as many features as samples fit every wrong label


def by_hand(width, noise, repetition):
    seed = derive_seed(2, "exact", "noise_regimes", repetition)
    data = Digits(n_train=30, label_noise=noise, resplit=True, seed=seed)
    data.setup()
    with drawing(derive_seed(seed, "init")):
        net = RandomFeatures((1, 8, 8), 10, width, features="relu")
    net.solve(data.train.x, F.one_hot(data.train.y, 10).double())
    with torch.no_grad():
        return [(net(part.x).argmax(1) != part.y).double().mean().item() for part in (data.train, data.test)]
