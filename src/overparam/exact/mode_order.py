"""In which order a linear network learns the modes of a map from a small random start (Saxe et al. 2013)."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from overparam.exact.trained import configured, descent
from overparam.models.linear import Linear
from overparam.models.mlp import MLP
from overparam.randomness import derive_seed, drawing, generator
from overparam.ranges import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from overparam.training.objective import mse


def mode_order(
    seed: int,
    depths: Sequence[NonNegativeInt] = (0, 1, 2),
    singular_values: Sequence[PositiveFloat] = (3.0, 2.0, 1.0),
    spread: PositiveFloat = 1e-3,
    n: PositiveInt = 100,
    dim: PositiveInt = 8,
    width: PositiveInt = 16,
    noise: NonNegativeFloat = 0.3,
    step: PositiveFloat = 0.01,
    most_steps: PositiveInt = 20_000,
) -> list[dict[str, Any]]:
    """Train the lab's linear networks on a linear map of a few modes, and time when each mode is learned.

    Inputs are white, exactly, so that without a hidden layer all modes come as 1 - e^-t. With one hidden layer a mode
    of singular value s grows from u_0 as du/dt = 2 u (s - u) and is half learned at ln(s / u_0 - 1) / (2 s): from a
    small start one comes after the other, in times as 1/s (Saxe et al. 2013). There weights begin aligned with the
    modes; here they begin at random.

    Args:
        seed: of the map, the data and the start.
        depths: hidden layers; 0 is the linear model, from zero.
        singular_values: s, descending.
        spread: product of the layers' typical singular values at the start, about u_0.
        n: samples.
        dim: inputs, and outputs.
        width: hidden units.
        noise: standard deviation of the targets' noise.
        step: time of a step.
        most_steps: of a training, which ends when all modes are learned to 90%.

    Returns:
        A row for each depth and mode: `depth`, `mode` (1 is the largest), `singular_value`, `half_time`, at which
        u^T W v is s/2 first; `log2_half_time`; `learned_before`, the share of the mode that is learned at the half
        time of the one before, None for the first.

    Raises:
        RuntimeError: if a mode is not learned.
    """
    rng = generator(seed, "exact", "mode_order")
    count = len(singular_values)

    def orthonormal(rows: int, columns: int) -> Tensor:
        return torch.linalg.qr(torch.randn(rows, columns, dtype=torch.float64, generator=rng)).Q

    u, v, x = orthonormal(dim, count), orthonormal(dim, count), math.sqrt(n) * orthonormal(n, dim)
    values = torch.tensor(singular_values, dtype=torch.float64)
    y = x @ (v * values) @ u.T + noise * torch.randn(n, dim, dtype=torch.float64, generator=rng)
    rows: list[dict[str, Any]] = []
    for depth in depths:
        net, layers = _start(depth, dim, width, spread, derive_seed(seed, "init", depth))
        # The lab's loss is the mean over outputs of squares, the theory's half their sum.
        optimizer = configured("sgd", lr=step * dim / 2, momentum=0)
        path = []
        for _ in descent(net, x, y, mse, optimizer, most_steps):
            product = v
            for layer in layers:
                product = layer.weight.detach() @ product
            path.append((u * product).sum(0) / values)
            if path[-1].min() > 0.9:
                break
        else:
            raise RuntimeError(f"depth {depth}: a mode is not learned after {most_steps} steps")
        shares = torch.stack(path)  # [steps, modes]
        half = [int((shares[:, mode] >= 0.5).nonzero()[0, 0]) for mode in range(count)]
        for mode, value in enumerate(singular_values):
            time = (half[mode] + 1) * step
            row = {"depth": depth, "mode": mode + 1, "singular_value": value, "half_time": time}
            before = shares[half[mode - 1], mode].item() if mode else None
            rows.append(row | {"log2_half_time": math.log2(time), "learned_before": before})
    return rows


def _start(depth: int, dim: int, width: int, spread: float, seed: int) -> tuple[nn.Module, list[nn.Linear]]:
    """Return a linear network and its layers, without biases, N(0, s^2) with (s sqrt(width))^layers = spread."""
    if depth == 0:
        net: nn.Module = Linear((dim,), dim, bias=False).double()
    else:
        std = spread ** (1 / (depth + 1)) / math.sqrt(width)
        with drawing(seed):
            net = MLP((dim,), dim, width, depth, "identity", init="normal", init_std=std).double()
    layers = [module for module in net.modules() if isinstance(module, nn.Linear)]
    for layer in layers:
        if layer.bias is not None:
            layer.bias.requires_grad_(False)
    return net, layers
