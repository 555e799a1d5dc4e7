"""How long a network takes to learn a frequency (Rahaman et al. 2019; Basri et al. 2019)."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from overparam.exact.trained import configured, descent
from overparam.models.mlp import MLP
from overparam.randomness import derive_seed, drawing, generator
from overparam.ranges import PositiveFloat, PositiveInt, Share
from overparam.training.objective import mse


def frequency_times(
    seed: int,
    frequencies: Sequence[PositiveInt],
    width: PositiveInt = 512,
    points: PositiveInt = 64,
    lr: PositiveFloat = 0.2,
    left: Share = 0.5,
    most_steps: PositiveInt = 20_000,
) -> list[dict[str, Any]]:
    """Train the lab's ReLU network on a sum of sines around the circle, and time when each of them is learned.

    All weights are trained, on all frequencies at once, with phases drawn from the seed and amplitudes of 1. In the
    limit of infinite width a frequency k is learned at the rate of its eigenvalue of the tangent kernel, which falls as
    k^-2 (`tangent_kernels.frequency_rate`), so that its time grows as k^2 (Basri et al. 2019).

    Args:
        seed: of phases and weights.
        frequencies: k, above 0.
        width: hidden units.
        points: equidistant ones on the circle, more than twice the largest frequency.
        lr: of full-batch gradient descent on the mean of squares.
        left: the share of a frequency's residual at the start, below which it is learned.
        most_steps: of the training, which ends when all are learned.

    Returns:
        A row for each frequency: `frequency`, `step` at which it is learned, `log2_step`; `learned_before`, the share
        of it that was learned when the one before in `frequencies` was, None for the first.

    Raises:
        RuntimeError: if one is not learned.
    """
    angle = 2 * math.pi * torch.arange(points, dtype=torch.float64) / points
    x = torch.stack([angle.cos(), angle.sin()], 1)
    phases = (
        2 * math.pi * torch.rand(len(frequencies), dtype=torch.float64, generator=generator(seed, "phases"))
    )
    k = torch.tensor(list(frequencies), dtype=torch.float64)
    y = (angle[:, None] * k + phases).sin().sum(1, keepdim=True)
    with drawing(derive_seed(seed, "init")):
        net = MLP((2,), 1, width, parametrization="ntk").double()
    waves = torch.cat([(angle[:, None] * k).cos(), (angle[:, None] * k).sin()], 1)  # [points, 2 frequencies]

    def residual() -> torch.Tensor:
        with torch.no_grad():
            return (waves.T @ (y - net(x))).view(2, -1).norm(dim=0)

    begun = residual()
    path = []
    for _ in descent(net, x, y, mse, configured("sgd", lr=lr, momentum=0), most_steps):
        path.append(residual() / begun)
        if path[-1].max() < left:
            break
    shares = torch.stack(path)  # [steps, frequencies]
    if missing := [f for f, share in zip(frequencies, shares.min(0).values, strict=True) if share >= left]:
        raise RuntimeError(f"frequency {missing[0]} is not learned after {most_steps} steps")
    at = [int((shares[:, column] < left).nonzero()[0, 0]) for column in range(len(frequencies))]
    return [
        {
            "frequency": frequency,
            "step": at[column] + 1,
            "log2_step": math.log2(at[column] + 1),
            "learned_before": 1 - shares[at[column - 1], column].item() if column else None,
        }
        for column, frequency in enumerate(frequencies)
    ]
