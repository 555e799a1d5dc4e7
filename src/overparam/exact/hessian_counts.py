"""How many directions of weight space are flat, and how many fall, where a network interpolates (Cooper 2018)."""

from collections.abc import Sequence
from typing import Any

import torch
from scipy.optimize import least_squares
from torch import Tensor, nn
from torch.func import functional_call, hessian, jacrev

from overparam.data.sine import Sine
from overparam.models.mlp import MLP
from overparam.randomness import derive_seed, drawing
from overparam.ranges import PositiveFloat, PositiveInt
from overparam.training.objective import mean_loss, mse


def hessian_counts(
    seed: int,
    widths: Sequence[PositiveInt],
    n: PositiveInt = 20,
    dim: PositiveInt = 4,
    tolerance: PositiveFloat = 1e-7,
) -> list[dict[str, Any]]:
    """Count the zero and the negative eigenvalues of the Hessian of the training loss, at the start and at its minimum.

    With one output and the mean of squares H = 2/n (J^T J + sum_i r_i H_i), where J [n, P] is the Jacobian of the
    outputs and H_i the Hessian of output i. Where all residuals r_i are 0, no eigenvalue is negative, and the rank is
    that of J: P - n are 0 if J has rank n, the dimension of the solutions' manifold (Cooper 2018, theorem 2.1). Tanh
    units, for of ReLU ones the Hessian is not defined everywhere.

    Args:
        seed: of data=sine and the weights.
        widths: m of one hidden layer; P = (dim + 2) m + 1.
        n: training samples.
        dim: inputs.
        tolerance: an eigenvalue within this share of the largest in size counts as 0.

    Returns:
        A row for each width: `width`, `params`, `params_per_sample`, `train_loss` at the minimum, `zeros` and
        `negatives` there, `zeros_beyond`, zeros - (P - n), `zero_share` and `negative_share`, of P, and
        `negative_share_at_start`.
    """
    data = Sine(
        input_dim=dim, sine_dims=2, cosine_dims=2, pool_size=n, test_size=1, dtype="float64", seed=seed
    )
    data.setup()
    x, y = data.train.x, data.train.y
    rows = []
    for width in widths:
        with drawing(derive_seed(seed, "init")):
            net = MLP((dim,), 1, width, activation="tanh", init="lecun").double()
        start = nn.utils.parameters_to_vector(net.parameters()).detach()
        at_start = eigenvalues(net, start, x, y)
        found = interpolate(net, start, x, y)
        values = eigenvalues(net, found, x, y)
        zeros, negatives = count(values, tolerance)
        params = len(start)
        row: dict[str, Any] = {"width": width, "params": params, "params_per_sample": params / n}
        row |= {"train_loss": _loss(net, found, x, y).item(), "zeros": zeros, "negatives": negatives}
        row |= {"zeros_beyond": zeros - (params - n), "zero_share": zeros / params}
        row |= {"negative_share": negatives / params}
        rows.append(row | {"negative_share_at_start": count(at_start, tolerance)[1] / params})
    return rows


def count(values: Tensor, tolerance: float) -> tuple[int, int]:
    """Return how many eigenvalues are 0 within `tolerance` of the largest in size, and how many are below that."""
    bound = tolerance * values.abs().max()
    return int((values.abs() <= bound).sum()), int((values < -bound).sum())


def eigenvalues(net: nn.Module, weights: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return those of the Hessian [P, P] of the mean squared error in all weights, ascending."""
    return torch.linalg.eigvalsh(hessian(lambda w: _loss(net, w, x, y))(weights))


def interpolate(net: nn.Module, start: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return the weights [P] at which least squares ends from `start`, by scipy's trust-region method."""

    def residuals(weights: Tensor) -> Tensor:
        return (_outputs(net, weights, x) - y)[:, 0]

    jacobian = jacrev(residuals)
    found = least_squares(
        lambda w: residuals(torch.from_numpy(w)).detach().numpy(),
        start.numpy(),
        lambda w: jacobian(torch.from_numpy(w)).numpy(),
        method="trf",
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-15,
        max_nfev=2000,
    )
    return torch.from_numpy(found.x)


def _outputs(net: nn.Module, weights: Tensor, x: Tensor) -> Tensor:
    named = dict(net.named_parameters())
    parts = weights.split([p.numel() for p in named.values()])
    shaped = {name: part.view_as(p) for (name, p), part in zip(named.items(), parts, strict=True)}
    outputs: Tensor = functional_call(net, shaped, (x,))
    return outputs


def _loss(net: nn.Module, weights: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return mean_loss(mse, _outputs(net, weights, x), y)
