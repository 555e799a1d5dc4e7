"""Linear double descent on a real table, and what is left of it without one of its three factors."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from sklearn.datasets import load_diabetes
from torch import Tensor

from overparam.randomness import generator
from overparam.ranges import PositiveFloat, PositiveInt


def three_factors(
    seed: int, sizes: Sequence[int], repetitions: PositiveInt = 200, cutoff: PositiveFloat = 0.2
) -> list[dict[str, Any]]:
    """Fit minimum-norm least squares to n patients of the diabetes table, and test on all others.

    With X = U diag(s) V^T, best linear model b and residuals e, the estimate's error at a new x that is due to the
    training residuals is sum_i (x . v_i) (u_i . e) / s_i (Schaeffer et al. 2023, equation 6): large where a singular
    value is small, the new input has a part along its direction, and the residuals have one too. Each variant takes one
    of the factors away:

    - "no small singular values": those below `cutoff` times the largest count as zero;
    - "test inputs in the span": of the directions that are left then, and their targets follow them, x' . b + e';
    - "no residuals": all targets are those of b.

    The paper moves test inputs and not their targets, which for the prediction is the first variant again.

    Args:
        seed: root of the stream "exact/real_table": which patients are trained on.
        sizes: n; the table has p = 10 features, standardized, and 442 patients. Targets are standardized too.
        repetitions: draws of the training set.
        cutoff: see above.

    Returns:
        A row for each n and variant, the whole one being "all three": `n`, `n_per_p`, `variant`, `train_mse` and
        `test_mse` (medians over repetitions: their means are infinite near n = p), `log2_test_mse`.
    """
    x, y, best = _table()
    residuals = y - x @ best
    names = ("all three", "no small singular values", "test inputs in the span", "no residuals")
    rows = []
    for n in sizes:
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
        for repetition in range(repetitions):
            order = torch.randperm(len(x), generator=generator(seed, "exact", "real_table", n, repetition))
            train, test = order[:n], order[n:]
            u, s, vh = torch.linalg.svd(x[train], full_matrices=False)
            kept = s >= cutoff * s[0]

            def estimate(
                targets: Tensor, modes: Tensor, u: Tensor = u, s: Tensor = s, vh: Tensor = vh
            ) -> Tensor:
                return vh[modes].T @ ((u[:, modes].T @ targets) / s[modes])

            full, cut = estimate(y[train], s > 0), estimate(y[train], kept)
            ideal = estimate(x[train] @ best, s > 0)
            moved = x[test] @ vh[kept].T @ vh[kept]
            pairs = (
                (x[train] @ full - y[train], x[test] @ full - y[test]),
                (x[train] @ cut - y[train], x[test] @ cut - y[test]),
                (x[train] @ full - y[train], moved @ (full - best) - residuals[test]),
                (x[train] @ (ideal - best), x[test] @ (ideal - best)),
            )
            for name, (trained, tested) in zip(names, pairs, strict=True):
                found[name].append((trained.square().mean().item(), tested.square().mean().item()))
        for name, errors in found.items():
            train_mse, test_mse = torch.tensor(errors, dtype=torch.float64).median(0).values
            row = {"n": n, "n_per_p": n / x.shape[1], "variant": name, "train_mse": train_mse.item()}
            rows.append(row | {"test_mse": test_mse.item(), "log2_test_mse": test_mse.log2().item()})
    return rows


@cache
def _table() -> tuple[Tensor, Tensor, Tensor]:
    """Return inputs [442, 10] and targets [442], both standardized, and the least-squares coefficients [10] of all."""
    x, y = (torch.from_numpy(part) for part in load_diabetes(return_X_y=True, scaled=False))
    x, y = ((part - part.mean(0)) / part.std(0) for part in (x, y))
    return x, y, torch.linalg.lstsq(x, y[:, None]).solution[:, 0]
