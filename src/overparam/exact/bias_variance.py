"""Double descent decomposed into bias and variance, and the variance by where it comes from (Yang et al. 2020)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from overparam.data.teacher import Teacher
from overparam.models.random_features import RandomFeatures
from overparam.randomness import derive_seed, drawing
from overparam.ranges import NonNegativeFloat, PositiveInt


def bias_variance(
    seed: int,
    widths: Sequence[PositiveInt],
    n: PositiveInt = 100,
    dim: PositiveInt = 20,
    noise: NonNegativeFloat = 0.5,
    penalty: NonNegativeFloat = 1e-3,
    training_sets: PositiveInt = 6,
    initializations: PositiveInt = 6,
    test_size: PositiveInt = 500,
) -> list[dict[str, Any]]:
    """Fit the readout of ReLU random features on training sets that share no sample, from several initializations.

    The fit is linear in the targets, so that label noise e ~ N(0, noise^2 I_n) needs no draws: with training set i and
    features k the prediction at x is s_ik(x) . (y_i + e), with the clean targets y_i of data=teacher_regression. Around
    the clean target t(x) its error is r_ik + s_ik . e with r_ik = s_ik . y_i - t, and its mean square over everything
    splits into squared bias and the components of a random-effects analysis of variance (Adlam & Pennington
    2020, arXiv:2011.03321, section 3): each is a difference of `products`, all unbiased.

    Args:
        seed: of teacher, data and features.
        widths: numbers of features N.
        n: samples of a training set.
        dim: inputs.
        noise: standard deviation of the label noise; the clean targets have variance 1.
        penalty: ridge penalty on the sum of squares. Without one the variance at N = n has no finite mean.
        training_sets: how many, disjoint parts of one pool (Yang et al. 2020, arXiv:2002.11328, section 3.1).
        initializations: how many draws of the features.
        test_size: samples that the error is a mean over.

    Returns:
        A row for each width: `width`, `test_mse` against clean targets, its parts `bias`, squared, and `variance`; of
        the variance `by_data`, `by_init` and `by_both`, which takes both to vary, without label noise, and `by_labels`
        and `by_labels_and_init`, the part of label noise that an average over initializations keeps and loses;
        `clean_variance`, the first three; `init_share`, that which such an average loses, `by_init`, `by_both` and
        `by_labels_and_init`, of the variance; `log2_` of both variances.
    """
    data = Teacher(
        task="regression",
        input_dim=dim,
        num_outputs=1,
        pool_size=training_sets * n,
        test_size=test_size,
        dtype="float64",
        seed=seed,
    )
    data.setup()
    x, y = data.train.x.view(training_sets, n, dim), data.train.y.view(training_sets, n)
    rows = []
    for width in widths:
        smoothers = torch.empty(training_sets, initializations, test_size, n, dtype=torch.float64)
        for k in range(initializations):
            with drawing(derive_seed(seed, "init", k)):
                net = RandomFeatures((dim,), 1, width, features="relu")
            tested = net.features(data.test.x)
            for i in range(training_sets):
                smoothers[i, k] = tested @ ridge_inverse(net.features(x[i]), penalty)
        errors = torch.einsum("iktn,in->ikt", smoothers, y) - data.test.y[:, 0]
        clean, noisy = products(errors[..., None]), noise**2 * products(smoothers)
        total, same_data, same_init, bias = clean.tolist()
        row = {"width": width, "test_mse": total + noisy[0].item(), "bias": bias}
        row["by_data"], row["by_init"] = same_data - bias, same_init - bias
        row["by_both"] = total - same_data - same_init + bias
        row["by_labels"], row["by_labels_and_init"] = noisy[1].item(), (noisy[0] - noisy[1]).item()
        row["variance"] = row["test_mse"] - bias
        row["clean_variance"] = total - bias
        row["init_share"] = (total - same_data + row["by_labels_and_init"]) / row["variance"]
        for name in ("variance", "clean_variance"):
            row[f"log2_{name}"] = torch.tensor(row[name], dtype=torch.float64).log2().item()
        rows.append(row)
    return rows


def ridge_inverse(features: Tensor, penalty: float) -> Tensor:
    """Return Phi^T (Phi Phi^T + penalty I)^-1 [N, n] of features Phi [n, N]; the pseudoinverse for penalty 0."""
    u, s, vh = torch.linalg.svd(features, full_matrices=False)
    kept = s > 1e-12 * s[0]
    gains = torch.where(kept, s / (s.square() + penalty), 0.0)
    return (vh.T * gains) @ u.T


def products(values: Tensor) -> Tensor:
    """Return the mean of v_ik . v_i'k' over pairs that share both i and k, i alone, k alone, and neither, as [4].

    Each is an unbiased estimate of its expectation: for v_ik = c + a_i + b_k + g_ik with independent parts of mean 0,
    the last is c . c, the second less it the variance of a, the third less it that of b, and what is left that of g.

    Args:
        values: [I, K, T, n], I and K at least 2; products are over n and means over T.
    """
    sets, inits, tests, _ = values.shape

    def square(sums: Tensor) -> Tensor:
        return sums.square().sum() / tests

    each, over_init = square(values), square(values.sum(1))
    over_data, over_all = square(values.sum(0)), square(values.sum((0, 1)))
    return torch.stack(
        [
            each / (sets * inits),
            (over_init - each) / (sets * inits * (inits - 1)),
            (over_data - each) / (sets * inits * (sets - 1)),
            (over_all - over_init - over_data + each) / (sets * (sets - 1) * inits * (inits - 1)),
        ]
    )
