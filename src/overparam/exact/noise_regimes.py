"""What interpolated label noise costs over n, width and noise: benign, tempered, catastrophic."""

from collections.abc import Sequence
from typing import Any

import numpy as np
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
    repetitions: PositiveInt = 1,
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
        repetitions: draws of all that an error is a mean over.

    Returns:
        A row for each n, ratio and p: `n`, `features_per_sample`, `width` (N), `noise`, `train_error` and `test_error`,
        `clean_error`, that without noise, `cost`.
    """
    levels = [0.0, *noises]
    places = [(n, ratio) for n in samples for ratio in ratios]
    errors = np.zeros((len(places), 2, len(levels)))  # on training and test set
    for repetition in range(repetitions):
        own = derive_seed(seed, "exact", "noise_regimes", repetition)
        for place, (n, ratio) in enumerate(places):
            errors[place] += _errors(own, n, round(ratio * n), levels) / repetitions
    rows = []
    for (n, ratio), (train, (clean, *tested)) in zip(places, errors.tolist(), strict=True):
        for p, train_error, error in zip(noises, train[1:], tested, strict=True):
            row = {"n": n, "features_per_sample": ratio, "width": round(ratio * n), "noise": p}
            row |= {"train_error": train_error, "test_error": error, "clean_error": clean}
            rows.append(row | {"cost": (error - clean) / p})
    return rows


def _errors(seed: int, n: int, width: int, levels: Sequence[float]) -> np.ndarray:
    """Return the errors on training and test set [2, levels] of one network, its readout fitted for each level."""
    data = [Digits(n_train=n, label_noise=p, resplit=True, seed=seed) for p in levels]
    for one in data:
        one.setup()
    x, tested = data[0].train.x, data[0].test
    labels = torch.stack([one.train.y for one in data], 1)  # [n, levels]
    with drawing(derive_seed(seed, "init")):
        net = RandomFeatures(data[0].input_shape, 1, width, features="relu")
    features = net.features(x)
    targets = F.one_hot(labels, data[0].num_outputs).double().flatten(1)
    readouts = ridge_inverse(features, 0.0) @ targets
    fitted, found = (
        (phi @ readouts).unflatten(1, (len(levels), -1)).argmax(2)
        for phi in (features, net.features(tested.x))
    )
    errors = [(fitted != labels).double().mean(0), (found != tested.y[:, None]).double().mean(0)]
    return torch.stack(errors).numpy()
