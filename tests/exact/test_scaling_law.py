import pytest
import torch

from overparam.data.teacher import Teacher
from overparam.exact.scaling_law import feature_scaling
from overparam.models.random_features import RandomFeatures
from overparam.randomness import derive_seed, drawing

PENALTIES = [1e-3, 1.0]


def test_a_loss_is_that_of_the_penalty_that_the_other_half_of_the_tests_prefers():
    rows = feature_scaling(
        1, [5, 20], [10], (40, 30), PENALTIES, dim=4, noise=0.5, test_size=50, repetitions=2
    )
    assert [(row["sweep"], row["params"], row["n_train"]) for row in rows] == [
        *(("grid", 5, 10), ("grid", 20, 10), ("held out", 40, 30))
    ]
    for row in rows:
        losses = []
        for repetition in range(2):
            seed = derive_seed(1, "exact", "scaling_law", repetition)
            data = Teacher(
                task="regression",
                input_dim=4,
                num_outputs=1,
                pool_size=30,
                test_size=100,
                label_noise=0.5,
                dtype="float64",
                n_train=row["n_train"],
                seed=seed,
            )
            data.setup()
            with drawing(derive_seed(seed, "init")):
                net = RandomFeatures((4,), 1, row["params"], features="relu")
            halves = []
            for penalty in PENALTIES:
                net.solve(data.train.x, data.train.y, penalty)
                with torch.no_grad():
                    errors = (net(data.test.x) - data.test.y).square()
                halves.append((errors[:50].mean().item(), errors[50:].mean().item()))
            losses.append(min(halves)[1])
        assert row["loss"] == pytest.approx(sum(losses) / 2)
