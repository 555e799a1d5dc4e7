"""The test error of random-feature networks over their size and their data, for a scaling law to be fitted."""

from collections.abc import Sequence
from typing import Any

import torch

from overparam.data.teacher import Teacher
from overparam.models.random_features import RandomFeatures
from overparam.randomness import derive_seed, drawing
from overparam.ranges import NonNegativeFloat, PositiveFloat, PositiveInt


def feature_scaling(
    seed: int,
    sizes: Sequence[PositiveInt],
    samples: Sequence[PositiveInt],
    held_out: tuple[PositiveInt, PositiveInt],
    penalties: Sequence[PositiveFloat],
    dim: PositiveInt = 10,
    noise: NonNegativeFloat = 0.0,
    test_size: PositiveInt = 1000,
    repetitions: PositiveInt = 2,
) -> list[dict[str, Any]]:
    """Fit the readout of ReLU random features on a teacher by ridge regression, over features P and samples n.

    The penalty is the one of `penalties` of least error on half of the test inputs, and the loss is that on the other
    half: at the best penalty there is no peak at P = n (Nakkiran et al. 2020), and what is left falls with both (the
    solvable model of Maloney et al. 2022, arXiv:2210.16859, section 3).

    Args:
        seed: of teacher, data and features.
        sizes: P, numbers of features.
        samples: n, nested.
        held_out: another P and n, beside the grid of these.
        penalties: ridge penalties on the sum of squares.
        dim: inputs.
        noise: standard deviation of the label noise; the clean targets have variance 1.
        test_size: test samples.
        repetitions: draws of all, that a loss is a mean over.

    Returns:
        A row for each P and n, with `sweep` ("grid" or "held out"), `params` (P), `n_train`, `loss` (test MSE).
    """
    p, n = held_out
    places = [("grid", size, count) for size in sizes for count in samples] + [("held out", p, n)]
    losses = [0.0] * len(places)
    for repetition in range(repetitions):
        own = derive_seed(seed, "exact", "scaling_law", repetition)
        data = Teacher(
            task="regression",
            input_dim=dim,
            num_outputs=1,
            pool_size=max(*samples, n),
            test_size=2 * test_size,
            label_noise=noise,
            dtype="float64",
            seed=own,
        )
        data.setup()
        for place, (_, size, count) in enumerate(places):
            with drawing(derive_seed(own, "init")):
                net = RandomFeatures((dim,), 1, size, features="relu")
            u, s, vh = torch.linalg.svd(net.features(data.train.x[:count]), full_matrices=False)
            gains = torch.stack([s / (s.square() + penalty) for penalty in penalties], 1)
            predicted = net.features(data.test.x) @ (vh.T @ (gains * (u.T @ data.train.y[:count])))
            errors = (predicted - data.test.y).square().view(2, test_size, len(penalties)).mean(1)
            losses[place] += errors[1, errors[0].argmin()].item() / repetitions
    return [
        {"sweep": sweep, "params": size, "n_train": count, "loss": loss}
        for (sweep, size, count), loss in zip(places, losses, strict=True)
    ]
