"""Early stopping is ridge: gradient descent stopped at time t against the penalty 1/t (Ali et al. 2019)."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from overparam.exact.trained import configured, descent
from overparam.models.linear import Linear
from overparam.randomness import generator
from overparam.ranges import NonNegativeFloat, PositiveFloat, PositiveInt
from overparam.training.objective import mse


def early_stopping(
    seed: int,
    decays: Sequence[NonNegativeFloat] = (0.0, 1.0),
    n: PositiveInt = 50,
    dim: PositiveInt = 100,
    noise: PositiveFloat = 1.0,
    teachers: PositiveInt = 100,
    step: PositiveFloat = 0.05,
    steps: Sequence[PositiveInt] = (1, 2, 4, 7, 12, 20, 35, 60, 100, 180, 300, 600, 1000, 2000),
) -> list[dict[str, Any]]:
    """Train the lab's linear model by gradient descent from zero, and solve ridge regression on the same data.

    y = x . b + e with x ~ N(0, Sigma), b ~ N(0, I_p / p) and e ~ N(0, noise); a teacher is a draw of b and e, and all
    of a seed share the inputs. Ridge minimizes ||y - X b||^2 / n + penalty ||b||^2, descent follows the gradient of
    ||y - X b||^2 / (2 n). In the limit of small steps its risk E ||b_hat - b||^2 at time t is at most 1.69 times that
    of ridge at the penalty 1/t, for any X and any b (Ali et al. 2019, theorem 1): the supremum over x of
    [(1 - e^-x) (1 + x) / x]^2, which the variance along an eigenvector of X^T X / n of value x / t reaches.

    Args:
        seed: root of the stream "exact/early_stopping".
        decays: a of Sigma's eigenvalues, i^-a; 0 is isotropic.
        n: samples.
        dim: p.
        noise: variance of e.
        teachers: draws that risks are averaged over; they are the outputs of one model.
        step: time of a step of descent.
        steps: ascending, where risks are computed.

    Returns:
        A row for each decay and time: `decay`, `time`, `descent_risk`, `ridge_risk` at penalty 1/t, `risk_ratio` of the
        two; `theory`, the mean over teachers of the first in the limit of small steps, given X, and
        `risk_over_theory`. In all rows of a decay, `largest_ratio` over times, and `best_ratio`, of the least
        risk of descent over the least of ridge among these times and penalties.
    """
    rows: list[dict[str, Any]] = []
    for decay in decays:
        rng = generator(seed, "exact", "early_stopping", str(decay))
        scale = torch.arange(1, dim + 1, dtype=torch.float64) ** (-decay / 2)
        x = scale * torch.randn(n, dim, dtype=torch.float64, generator=rng)
        b = torch.randn(dim, teachers, dtype=torch.float64, generator=rng) / math.sqrt(dim)
        y = x @ b + math.sqrt(noise) * torch.randn(n, teachers, dtype=torch.float64, generator=rng)
        values = torch.linalg.svdvals(x).square() / n  # of X^T X / n, but for dim - n zeros
        net = Linear((dim,), teachers, bias=False).double()
        # The lab's loss is the mean over outputs of squares, the theory's half their sum.
        optimizer = configured("sgd", lr=step * teachers / 2, momentum=0)
        found = []
        for number, _ in descent(net, x, y, mse, optimizer, max(steps)):
            if number not in steps:
                continue
            time = number * step
            stopped = (net.readout.weight.detach().T - b).square().sum(0).mean().item()
            penalized = x.T @ torch.linalg.solve(x @ x.T + n / time * torch.eye(n, dtype=x.dtype), y)
            ridge = (penalized - b).square().sum(0).mean().item()
            learned = 1 - (-time * values).exp()
            missed = ((1 - learned).square().sum() + dim - len(values)) / dim
            theory = (missed + noise / n * (learned.square() / values).sum()).item()
            row = {"decay": decay, "time": time, "descent_risk": stopped, "ridge_risk": ridge}
            row |= {"risk_ratio": stopped / ridge, "theory": theory, "risk_over_theory": stopped / theory}
            found.append(row)
        least = {key: min(row[key] for row in found) for key in ("descent_risk", "ridge_risk")}
        both = {
            "largest_ratio": max(row["risk_ratio"] for row in found),
            "best_ratio": least["descent_risk"] / least["ridge_risk"],
        }
        rows += [row | both for row in found]
    return rows
