"""Gradient descent on linear regression: its limit, and its path in closed form."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from overparam.randomness import generator


def min_norm_solution(x: Tensor, y: Tensor, start: Tensor | None = None) -> Tensor:
    """Return the limit of gradient descent from `start`: the interpolator nearest to it.

    start + X^+ (y - X start): the orthogonal projection of the start on the set of least-squares solutions,
    because gradients lie in the row space of X. From zero that is the minimum-norm solution X^+ y (Zhang et
    al. 2017, section 5).

    Args:
        x: [n, p].
        y: [n] or [n, K].
        start: [p] or [p, K]; None is zero.
    """
    inverse = torch.linalg.pinv(x)
    return inverse @ y if start is None else start + inverse @ (y - x @ start)


def descent_path(x: Tensor, y: Tensor, lr: float, steps: Sequence[int], start: Tensor) -> Tensor:
    """Return the iterates [len(steps), p] of gradient descent on ||X b - y||^2 / (2n), in closed form.

    With X^T X / n = V diag(l) V^T, the component along v_i is b_i(t) = b_i* + (1 - lr l_i)^t (b_i(0) - b_i*)
    if l_i > 0, and b_i(0) if l_i = 0. Stable for lr < 2 / max l.
    """
    _, s, vh = torch.linalg.svd(x, full_matrices=True)
    values = torch.zeros(x.shape[1], dtype=x.dtype)
    values[: len(s)] = s.square() / len(x)
    end = vh @ min_norm_solution(x, y, start)
    shrink = (1 - lr * values)[None, :] ** torch.tensor(list(steps), dtype=x.dtype)[:, None]
    return (end + shrink * (vh @ start - end)) @ vh


def two_scale_regression(
    seed: int,
    n: int = 1500,
    dims: tuple[int, int] = (70, 70),
    scales: tuple[float, float] = (1.0, 0.1),
    coefficients: tuple[float, float] = (0.15, 1.5),
    noise: float = 30.0,
    lr: float = 0.5,
    steps: Sequence[int] = (0, 1, 10, 100, 1000, 10_000),
    repetitions: int = 1,
) -> list[dict[str, Any]]:
    """Run gradient descent on regression whose features have two scales: epoch-wise double descent.

    x = (scale_1 z_1, scale_2 z_2), z Gaussian; y = x . b + e. Features of the large scale are fitted, and
    overfitted, first, those of the small scale later; each scale has its own bias-variance trade-off at its own
    time (Heckel & Yilmaz 2021; Pezeshki et al. 2022).

    Args:
        seed: root of the stream "exact/two_scale".
        n: samples.
        dims: numbers of features of the two scales.
        scales: standard deviations of the features.
        coefficients: size of each entry of b, at the two scales.
        noise: variance of e.
        lr: learning rate on the loss ||X b - y||^2 / (2n).
        steps: steps at which the risk is computed.
        repetitions: independent draws of the data, over which risks are averaged.

    Returns:
        A row for each step: `step`, `excess_risk` of the iterate of gradient descent, `closed_form` the same of
        `descent_path`, `theory`, the expectation of Heckel & Yilmaz 2021, theorem 1, for n >> p: sum over
        features of scale^2 b^2 (1 - lr scale^2)^2t + (noise / n) (1 - (1 - lr scale^2)^t)^2; and
        `risk_over_theory`.
    """
    scale, b = (
        torch.tensor(values, dtype=torch.float64).repeat_interleave(torch.tensor(dims))
        for values in (scales, coefficients)
    )
    risks = torch.zeros(2, len(steps), dtype=torch.float64)
    for repetition in range(repetitions):
        rng = generator(seed, "exact", "two_scale", repetition)
        x = scale * torch.randn(n, len(scale), dtype=torch.float64, generator=rng)
        y = x @ b + math.sqrt(noise) * torch.randn(n, dtype=torch.float64, generator=rng)
        start = torch.zeros_like(b)
        paths = torch.stack([_descend(x, y, lr, steps, start), descent_path(x, y, lr, steps, start)])
        risks += ((paths - b) * scale).square().sum(2) / repetitions
    left = (1 - lr * scale**2) ** torch.tensor(list(steps), dtype=torch.float64)[:, None]
    theory = (scale**2 * b**2 * left**2 + noise / n * (1 - left) ** 2).sum(1)
    return [
        {"step": t, "excess_risk": r, "closed_form": c, "theory": e, "risk_over_theory": r / e}
        for t, r, c, e in zip(steps, *risks.tolist(), theory.tolist(), strict=True)
    ]


def _descend(x: Tensor, y: Tensor, lr: float, steps: Sequence[int], start: Tensor) -> Tensor:
    gram, correlation = x.T @ x / len(x), x.T @ y / len(x)
    iterates, iterate = {0: start}, start
    for step in range(1, max(steps) + 1):
        iterate = iterate - lr * (gram @ iterate - correlation)
        if step in steps:
            iterates[step] = iterate
    return torch.stack([iterates[step] for step in steps])
