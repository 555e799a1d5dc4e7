"""Effective parameters of random features: where the axis of double descent folds (Curth et al. 2023)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

from overparam.data.digits import Digits
from overparam.exact.random_features import mse
from overparam.models.random_features import RandomFeatures
from overparam.randomness import derive_seed, drawing
from overparam.ranges import NonNegativeFloat, PositiveFloat, PositiveInt, Share


def effective_parameters(
    seed: int,
    widths: Sequence[PositiveInt],
    n: PositiveInt = 400,
    label_noise: Share = 0.1,
    penalty: NonNegativeFloat = 1e-6,
    sigma: PositiveFloat = 8.0,
) -> list[dict[str, Any]]:
    """Fit the readout of RBF random features on digits, and count the parameters that it uses on new inputs.

    The fit is a linear smoother: its prediction at x is s(x) . y with weights s(x) [n] on the training targets. Its
    effective parameters are n E ||s(x)||^2 over test inputs (the generalized effective number of parameters of Curth et
    al. 2023); over the training inputs these are the usual degrees of freedom of least squares.

    Args:
        seed: root of the data's streams and of the features'.
        widths: numbers of features N, ascending.
        n: training samples.
        label_noise: probability that a training label is flipped.
        penalty: ridge penalty on the sum of squares.
        sigma: length scale of the kernel.

    Returns:
        A row for each width: `width`, `features_per_sample`, `train_mse`, `test_mse`, `test_parameters` and
        `train_parameters`, the effective ones on test and on training inputs, `log2_` of both MSE and test parameters;
        `not_u_of_width` and `not_u_of_parameters`, the same in all rows, see `not_u_shaped`.
    """
    data = Digits(n_train=n, label_noise=label_noise, seed=seed)
    data.setup()
    targets, test_targets = (F.one_hot(part.y, data.num_outputs).double() for part in (data.train, data.test))
    rows = []
    for width in widths:
        with drawing(derive_seed(seed, "init")):
            net = RandomFeatures(data.input_shape, data.num_outputs, width, sigma=sigma)
        with torch.no_grad():
            features, tested = net.features(data.train.x), net.features(data.test.x)
        u, s, vh = torch.linalg.svd(features, full_matrices=False)
        inverse = (u * (s / (s.square() + penalty))) @ vh  # [n, N]
        smoother = tested @ inverse.T  # [test samples, n]
        on_train = features @ inverse.T
        row = {"width": width, "features_per_sample": width / n}
        row |= {
            "train_mse": mse(on_train @ targets, targets),
            "test_mse": mse(smoother @ targets, test_targets),
        }
        row["test_parameters"] = n * smoother.square().sum(1).mean().item()
        row["train_parameters"] = n * on_train.square().sum(1).mean().item()
        rows.append(row)
    errors = np.log2([row["test_mse"] for row in rows])
    parameters = np.log2([row["test_parameters"] for row in rows])
    shapes = {
        "not_u_of_width": not_u_shaped(list(widths), errors),
        "not_u_of_parameters": not_u_shaped(parameters, errors),
    }
    return [
        row | {"log2_test_mse": float(error), "log2_test_parameters": float(count)} | shapes
        for row, error, count in zip(rows, errors, parameters, strict=True)
    ]


def not_u_shaped(x: ArrayLike, y: ArrayLike) -> float:
    """Return the share of the variance of `y` that no U over `x` explains: 0 if y falls and then rises along x.

    A U is a sequence that falls up to some place and rises from there on, either part possibly empty: the best one in
    squared error, by isotonic regression on both sides of every place.

    Args:
        x: [m], numbers that order y.
        y: [m], not all equal.
    """
    values = np.asarray(y, dtype=np.float64)[np.argsort(np.asarray(x), kind="stable")]
    best = min(_misfit(-values[:place]) + _misfit(values[place:]) for place in range(len(values) + 1))
    return float(best / ((values - values.mean()) ** 2).sum())


def _misfit(values: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """Return the squared distance to the nearest sequence that does not fall."""
    return float(((values - isotonic_regression(values).x) ** 2).sum()) if len(values) else 0.0
