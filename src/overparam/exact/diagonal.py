"""Diagonal networks: the scale of the initialization chooses the norm that is small (Woodworth et al. 2020)."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from scipy.optimize import linprog
from torch import Tensor

from overparam.randomness import generator
from overparam.ranges import PositiveFloat, PositiveInt


def implicit_bias(
    seed: int,
    scales: Sequence[PositiveFloat],
    n: PositiveInt = 40,
    dim: PositiveInt = 100,
    nonzero: PositiveInt = 5,
    tolerance: PositiveFloat = 1e-4,
) -> list[dict[str, Any]]:
    """Train diagonal networks f(x) = x . (w+^2 - w-^2) from w+ = w- = scale on a sparse linear target.

    Gradient flow ends at the interpolator of least Q(b) = sum_i q(b_i / scale^2), where q(z) = 2 - sqrt(4 + z^2) +
    z asinh(z/2) (Woodworth et al. 2020, theorem 1): the one of least l2 norm for a large scale, of least l1 norm for a
    small one, which finds a sparse target from few samples.

    Args:
        seed: root of the stream "exact/diagonal".
        scales: of the initialization.
        n: samples, x ~ N(0, I).
        dim: their dimension.
        nonzero: entries of the target that are not 0; they are +-1 / sqrt(nonzero).
        tolerance: of the training MSE, at which descent ends.

    Returns:
        A row for each scale: `scale`, `steps` of descent; `l1_excess` and `l2_excess`, the solution's norm over the
        least of any interpolator, less 1; `target_risk`, ||b - b*||^2; `theory_distance`, the relative distance of the
        solution to the minimizer of Q.
    """
    rng = generator(seed, "exact", "diagonal")
    x = torch.randn(n, dim, dtype=torch.float64, generator=rng)
    target = torch.zeros(dim, dtype=torch.float64)
    signs = torch.randint(2, (nonzero,), generator=rng).double() * 2 - 1
    target[:nonzero] = signs / math.sqrt(nonzero)
    y = x @ target
    least_l1 = _least_l1(x, y)
    least_l2 = (torch.linalg.pinv(x) @ y).norm().item()
    rows = []
    for scale in scales:
        found, steps = _train(x, y, scale, tolerance)
        expected = least_hypentropy(x, y, scale)
        row = {"scale": scale, "steps": steps, "l1_excess": found.abs().sum().item() / least_l1 - 1}
        row |= {"l2_excess": found.norm().item() / least_l2 - 1}
        row |= {"target_risk": (found - target).square().sum().item()}
        rows.append(row | {"theory_distance": ((found - expected).norm() / expected.norm()).item()})
    return rows


def _train(x: Tensor, y: Tensor, scale: float, tolerance: float) -> tuple[Tensor, int]:
    """Return w+^2 - w-^2 after gradient descent on ||x b - y||^2 / (2 n), and its number of steps.

    A step is at most a tenth of what the curvature, at most that of X^T X / n times 4 w^2, allows, and changes no
    weight by more than 2%: small ones grow exponentially, and follow the flow only in small steps.
    """
    plus, minus = (torch.full((x.shape[1],), scale, dtype=torch.float64) for _ in range(2))
    top = torch.linalg.svdvals(x)[0].square().item() / len(x)
    step = 0
    while (residual := x @ (plus.square() - minus.square()) - y).square().mean() > tolerance:
        step += 1
        gradient = 2 * (residual @ x) / len(x)
        largest = max(plus.square().max().item(), minus.square().max().item())
        rate = min(0.2 / (top * 4 * largest), 0.02 / gradient.abs().max().item())
        plus, minus = plus - rate * gradient * plus, minus + rate * gradient * minus
    return plus.square() - minus.square(), step


def least_hypentropy(x: Tensor, y: Tensor, scale: float, iterations: int = 500) -> Tensor:
    """Return the interpolator [p] of least Q, by Newton's method on the dual.

    At the minimum the gradient of Q is in the row space of X: asinh(b / (2 scale^2)) = X^T v, so that
    b = 2 scale^2 sinh(X^T v), and X b = y is the stationary point of the convex 2 scale^2 sum cosh(X^T v) - y . v.

    Args:
        x: [n, p], of rank n.
        y: [n].
        scale: of the initialization.
        iterations: at most.

    Raises:
        RuntimeError: if the residual is not small after them.
    """
    size = 2 * scale**2

    def value(v: Tensor) -> Tensor:
        # Less the constant size p, beside which a small scale's digits would be lost.
        return 2 * size * (x.T @ v / 2).sinh().square().sum() - y @ v

    v = torch.linalg.solve(x @ x.T, y) / size  # the solution for a large scale
    v = v / max(1.0, (x.T @ v).abs().max().item())
    for _ in range(iterations):
        reached = x.T @ v
        residual = size * x @ reached.sinh() - y
        if residual.norm() < 1e-9 * y.norm():
            return size * reached.sinh()
        step = torch.linalg.solve(size * (x * reached.cosh()) @ x.T, residual)
        while not value(v - step) <= value(v) - 0.25 * (residual @ step) + 1e-12:
            step = step / 2
        v = v - step
    raise RuntimeError(f"Newton's method did not converge at scale {scale:g}")


def _least_l1(x: Tensor, y: Tensor) -> float:
    """Return the least l1 norm of b with x b = y, by linear programming in its positive and negative parts."""
    both = torch.cat([x, -x], 1).numpy()
    return float(linprog([1.0] * both.shape[1], A_eq=both, b_eq=y.numpy(), method="highs").fun)
