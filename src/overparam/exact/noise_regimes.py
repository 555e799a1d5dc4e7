"""What interpolated label noise costs over n, width and noise: benign, tempered, catastrophic."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F

from overparam.data.digits import Digits
from overparam.exact.bias_variance import ridge_inverse
from overparam.models.random_features import RandomFeatures
from overparam.randomness import derive_seed, drawing
from overparam.ranges import PositiveFloat, PositiveInt, Share


def noise_regimes(
    seed: int,
    samples: Sequence[PositiveInt],
    ratios: Sequence[PositiveFloat],
    noises: Sequence[Share],
) -> list[dict[str, Any]]:
    """Fit the readout of ReLU random features to digits with wrong labels by least squares of minimum norm.

    From N = n on they interpolate: every wrong label is fitted. The cost of a share p of wrong labels is what it adds
    to the test error, in units of p: [error(p) - error(0)] / p, with the same samples and features. A nearest neighbour
    pays about 1: it passes each wrong label on. Mallinar et al. 2022 (arXiv:2207.06569, definition 1.1) call a method
    benign if what noise adds goes to 0 with n, tempered if to a constant, and catastrophic if it has no bound.

    Args:
        seed: of the test set (data.resplit), subset, wrong labels and features.
        samples: sizes n of the training set.
        ratios: N / n, features over samples.
        noises: shares p of wrong labels, above 0.

    Returns:
        A row for each n, ratio and p: `n`, `features_per_sample`, `width` (N), `noise`, `train_error` and `test_error`,
        `clean_error`, that without noise, `cost`.
    """
    levels = [0.0, *noises]
    rows = []
    for n in samples:
        data = [Digits(n_train=n, label_noise=p, resplit=True, seed=seed) for p in levels]
        for one in data:
            one.setup()
        x, tested = data[0].train.x, data[0].test
        labels = torch.stack([one.train.y for one in data], 1)  # [n, levels]
        targets = F.one_hot(labels, data[0].num_outputs).double().flatten(1)
        for ratio in ratios:
            with drawing(derive_seed(seed, "init")):
                net = RandomFeatures(data[0].input_shape, 1, round(ratio * n), features="relu")
            features = net.features(x)
            readouts = ridge_inverse(features, 0.0) @ targets  # of all levels, from the same features
            fitted, found = (
                (phi @ readouts).unflatten(1, (len(levels), -1)).argmax(2)
                for phi in (features, net.features(tested.x))
            )
            train_errors = (fitted != labels).double().mean(0).tolist()
            clean, *errors = (found != tested.y[:, None]).double().mean(0).tolist()
            for p, train_error, error in zip(noises, train_errors[1:], errors, strict=True):
                row = {"n": n, "features_per_sample": ratio, "width": net.readout.in_features, "noise": p}
                row |= {"train_error": train_error, "test_error": error, "clean_error": clean}
                rows.append(row | {"cost": (error - clean) / p})
    return rows
