"""Deep linear networks learn one singular mode after the other (Saxe et al. 2013)."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from overparam.exact.trained import configured, descent
from overparam.models.mlp import MLP
from overparam.randomness import generator
from overparam.training.objective import mse


def mode_strength(time: float, singular_value: float, start: float) -> float:
    """Return the strength at `time` of a mode of a network with one hidden layer, from balanced weights.

    s e^(2 s t) / (e^(2 s t) - 1 + s / u_0), the solution of du/dt = 2 u (s - u) (Saxe et al. 2013, with tau = 1): of
    gradient flow on half the squared error, with white inputs.

    Args:
        time: t, steps times learning rate.
        singular_value: s, of the correlation of targets with inputs.
        start: u_0 > 0.
    """
    return singular_value / (1 + (singular_value / start - 1) * math.exp(-2 * singular_value * time))


def deep_linear_modes(
    seed: int,
    singular_values: Sequence[float] = (3.0, 2.0, 1.0),
    times: Sequence[float] = (0.4, 0.8, 1.2, 1.6, 2.4),
    curve: Sequence[float] = (),
    start: float = 0.05,
    n: int = 100,
    dim: int = 6,
    width: int = 8,
    noise: float = 0.3,
    step: float = 5e-4,
) -> list[dict[str, Any]]:
    """Train the lab's linear MLP on a linear map of a few modes, seen through noisy targets.

    Its weights start small, balanced, and aligned with the modes, as the theory asks; its biases stay zero.

    Args:
        seed: of the map, the data and the start.
        singular_values: s of the modes.
        times: t of the theory at which strengths are measured.
        curve: t at which the theory alone is computed.
        start: u_0.
        n: samples; their inputs are white, exactly.
        dim: inputs, and outputs.
        width: hidden units.
        noise: standard deviation of the targets' noise, from which the spread over seeds comes.
        step: time of a step; the theory is that of its limit 0.

    Returns:
        A row for each mode and time: `measured`, u^T W_2 W_1 v, and `theory`.
    """
    rng = generator(seed, "exact", "deep_linear")
    count = len(singular_values)

    def orthonormal(rows: int, columns: int) -> torch.Tensor:
        return torch.linalg.qr(torch.randn(rows, columns, dtype=torch.float64, generator=rng)).Q

    u, v, hidden = orthonormal(dim, count), orthonormal(dim, count), orthonormal(width, count)
    x = math.sqrt(n) * orthonormal(n, dim)
    y = x @ (v * torch.tensor(singular_values, dtype=torch.float64)) @ u.T
    y = y + noise * torch.randn(n, dim, dtype=torch.float64, generator=rng)
    net = MLP((dim,), dim, width, activation="identity").double()
    first, second = (layer for layer in net.layers if isinstance(layer, torch.nn.Linear))
    with torch.no_grad():
        first.weight.copy_(math.sqrt(start) * hidden @ v.T)
        second.weight.copy_(math.sqrt(start) * u @ hidden.T)
    for layer in (first, second):
        layer.bias.requires_grad_(False)
    # The lab's loss is the mean over outputs of squares, the theory's half their sum.
    optimizer = configured("sgd", lr=step * dim / 2, momentum=0)
    measured = {}
    at = {round(time / step): time for time in times}
    for number, _ in descent(net, x, y, mse, optimizer, max(at)):
        if number in at:
            measured[at[number]] = (u.T @ second.weight @ first.weight @ v).diagonal().tolist()
    return [
        {
            "time": time,
            "singular_value": value,
            "measured": measured[time][mode] if time in measured else None,
            "theory": mode_strength(time, value, start),
        }
        for mode, value in enumerate(singular_values)
        for time in sorted({*times, *curve})
    ]
