"""With the best ridge penalty more data, and more features, never hurt (Nakkiran et al. 2020)."""

from collections.abc import Sequence
from typing import Any

import torch

from overparam.exact.ridge import ridge_risk
from overparam.models.random_features import least_squares_readout
from overparam.randomness import generator
from overparam.ranges import PositiveFloat, PositiveInt

PENALTIES = ("none", "best")


def optimal_ridge(
    seed: int,
    samples: Sequence[int],
    sizes: Sequence[int],
    dim: PositiveInt = 60,
    n: PositiveInt = 60,
    signal: PositiveFloat = 1.0,
    noise: PositiveFloat = 0.25,
    repetitions: PositiveInt = 20,
) -> list[dict[str, Any]]:
    """Fit isotropic linear data of `dim` dimensions without a penalty and with the best one, over n and over p.

    y = x . b + e, x ~ N(0, I_d), b ~ N(0, signal / d I_d), e ~ N(0, noise). A model of p of the d inputs sees the
    others as noise: its targets have the variance v = noise + signal (d - p) / d around x_p . b_p. The best ridge
    penalty on the sum of squares is that of its Bayes estimate, v d / signal, whatever n (Nakkiran et al. 2020,
    theorems 1 and 2). Samples are nested in n, inputs in p.

    Args:
        seed: root of the stream "exact/optimal_ridge".
        samples: the n at p = d.
        sizes: the p at n samples.
        dim: d.
        n: samples where p varies.
        signal: mean of ||b||^2.
        noise: variance of e.
        repetitions: draws of all, averaged.

    Returns:
        A row for each place and penalty: `axis`, "samples" or "size"; `n`, `p`, `at`, the one that varies; `penalty`,
        "none" or "best"; `excess_risk`, ||b_hat - b||^2, the excess test MSE, a mean; `theory`, its limit for the best
        penalty with n, p and d in proportion (`ridge.ridge_risk`), and `risk_over_theory`; nothing without.
    """
    places = [("samples", count, dim) for count in samples] + [("size", n, size) for size in sizes]
    risks = torch.zeros(len(places), 2, dtype=torch.float64)
    for repetition in range(repetitions):
        rng = generator(seed, "exact", "optimal_ridge", repetition)
        x = torch.randn(max(*samples, n), dim, dtype=torch.float64, generator=rng)
        b = (signal / dim) ** 0.5 * torch.randn(dim, dtype=torch.float64, generator=rng)
        y = x @ b + noise**0.5 * torch.randn(len(x), dtype=torch.float64, generator=rng)
        for place, (_, count, size) in enumerate(places):
            for column, penalty in enumerate((0.0, _best(size, dim, signal, noise))):
                estimate = torch.zeros(dim, dtype=torch.float64)
                estimate[:size] = least_squares_readout(x[:count, :size], y[:count, None], penalty)[0]
                risks[place, column] += (estimate - b).square().sum() / repetitions
    rows = []
    for (axis, count, size), found in zip(places, risks.tolist(), strict=True):
        unseen = signal * (dim - size) / dim
        limit = ridge_risk(
            size / count, _best(size, dim, signal, noise) / count, signal - unseen, noise + unseen
        )
        for name, risk in zip(PENALTIES, found, strict=True):
            row = {"axis": axis, "n": count, "p": size, "at": count if axis == "samples" else size}
            row |= {"penalty": name, "excess_risk": risk}
            theory = limit + unseen if name == "best" else None
            rows.append(row | {"theory": theory, "risk_over_theory": theory and risk / theory})
    return rows


def _best(size: int, dim: int, signal: float, noise: float) -> float:
    """Return the best penalty on the sum of squares of a model of `size` of `dim` inputs."""
    return (noise + signal * (dim - size) / dim) * dim / signal
