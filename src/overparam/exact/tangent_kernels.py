"""Tangent kernels of ReLU networks of infinite width, and what they say of finite ones."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from overparam.exact.trained import configured, descent
from overparam.measures.tangent_kernel import tangent_kernel
from overparam.models.mlp import MLP
from overparam.randomness import derive_seed, drawing, generator
from overparam.training.objective import mse


def infinite_width_kernel(x: Tensor, depth: int) -> Tensor:
    """Return the tangent kernel [N, N] of model=mlp with model.parametrization=ntk and ReLU, at infinite width.

    Through the arc-cosine kernels of orders 0 and 1 (Cho & Saul 2009; Jacot et al. 2018, theorem 1, with biases that
    start at zero and weights of variance 2, those of the readout 1). With the angle phi of two hidden layers,
    k0 = (pi - phi) / pi and k1 = (sin phi + (pi - phi) cos phi) / pi.

    Args:
        x: inputs [N, d], not zero.
        depth: hidden layers.
    """
    covariance = 2 * x @ x.T / x.shape[1]
    kernel = covariance + 1
    for layer in range(depth):
        scale = covariance.diagonal().sqrt()
        scale = scale[:, None] * scale[None, :]
        phi = (covariance / scale).clamp(-1, 1).acos()
        gain = 2 if layer < depth - 1 else 1
        slope = gain / 2 * (math.pi - phi) / math.pi
        covariance = gain / 2 * scale * (phi.sin() + (math.pi - phi) * phi.cos()) / math.pi
        kernel = kernel * slope + covariance + 1
    return kernel


def kernel_convergence(
    seed: int, widths: Sequence[int] = (64, 256, 1024), depth: int = 2, samples: int = 8, dim: int = 10
) -> list[dict[str, Any]]:
    """Measure how fast the empirical tangent kernel comes to that of infinite width.

    Args:
        seed: of inputs and weights.
        widths: ascending.
        depth: hidden layers.
        samples: inputs.
        dim: their dimension.

    Returns:
        A row for each pair of neighbouring widths: `width`, the larger; `measured`, the exponent of the width in the
        relative error ||Theta - Theta_inf||_F / ||Theta_inf||_F between them; `theory`, -1/2 (a mean over units).
    """
    x = torch.randn(samples, dim, dtype=torch.float64, generator=generator(seed, "exact", "kernel"))
    limit = infinite_width_kernel(x, depth)
    errors = []
    for width in widths:
        with drawing(derive_seed(seed, "init", width)):
            net = MLP((dim,), 1, width, depth, parametrization="ntk").double()
        errors.append((tangent_kernel(net, x) - limit).norm().item())
    return [
        {"width": wide, "measured": math.log(b / a) / math.log(wide / narrow), "theory": -0.5}
        for (narrow, wide), (a, b) in zip(pairwise(widths), pairwise(errors), strict=True)
    ]


def kernel_values(
    seed: int, angles: Sequence[float], curve: Sequence[float] = (), width: int = 1024, depth: int = 2
) -> list[dict[str, Any]]:
    """Measure the tangent kernel of one pair of inputs on the unit circle after the other.

    Args:
        seed: of the weights.
        angles: between the inputs, as shares of pi; 0 is the kernel's diagonal.
        curve: angles at which the theory alone is computed.
        width: hidden units a layer; the mean over weights differs from the limit by order 1/width, of depth 1 not.
        depth: hidden layers.

    Returns:
        A row for each angle: `measured`, the empirical kernel; `theory`, `infinite_width_kernel`.
    """
    shares = sorted({*angles, *curve})
    turned = math.pi * torch.tensor([0.0, *shares], dtype=torch.float64)
    x = torch.stack([turned.cos(), turned.sin()], 1)
    limit = infinite_width_kernel(x, depth)[0, 1:].tolist()
    with drawing(derive_seed(seed, "init")):
        net = MLP((2,), 1, width, depth, parametrization="ntk").double()
    chosen = [0] + [1 + place for place, share in enumerate(shares) if share in angles]
    found = dict(zip(chosen[1:], tangent_kernel(net, x[chosen])[0, 1:].tolist(), strict=True))
    return [
        {"angle": share, "depth": depth, "measured": found.get(1 + place), "theory": limit[place]}
        for place, share in enumerate(shares)
    ]


def frequency_rate(frequency: int) -> float:
    """Return the eigenvalue of cos(k theta) on the unit circle, uniform, for a hidden ReLU layer with biases.

    Of the kernel (1 + cos phi)(pi - phi) / (2 pi), the tangent kernel of the hidden layer's weights and biases:
    1 / (pi k)^2 for odd k, (k^2 + 1) / (pi (k^2 - 1))^2 for even k, 1/8 more at k = 1 and 1/4 + 1/pi^2 at k = 0 (Basri
    et al. 2019, up to the kernel's scale). Gradient flow on half the mean squared error learns a frequency
    at that rate: high ones k^2 times later.
    """
    k = frequency
    if k % 2:
        return 1 / (math.pi * k) ** 2 + (1 / 8 if k == 1 else 0)
    return (k**2 + 1) / (math.pi * (k**2 - 1)) ** 2 + (1 / 4 if k == 0 else 0)


def spectral_bias(
    seed: int,
    frequencies: Sequence[int] = (1, 2, 3, 4, 5, 6, 8),
    width: int = 2048,
    points: int = 256,
    lr: float = 0.05,
    steps: int = 4,
) -> list[dict[str, Any]]:
    """Train the lab's ReLU network to add cos(k theta) to what it is at first, for one frequency k after the other.

    Only the hidden layer is trained, as in Basri et al. 2019, and for a short time: the kernel of a finite width mixes
    frequencies, so that a high one is learned more slowly once the low ones that it is mixed with are.

    Args:
        seed: of the weights.
        frequencies: k, at least 1.
        width: hidden units.
        points: equidistant ones on the circle, many more than the frequencies.
        lr: learning rate on the lab's loss, which is the mean of squares, not half of it.
        steps: of gradient descent.

    Returns:
        A row for each frequency: `measured`, the rate r at which the residual falls as (1 - 2 lr r)^steps; `theory`,
        `frequency_rate`.
    """
    angle = 2 * math.pi * torch.arange(points, dtype=torch.float64) / points
    x = torch.stack([angle.cos(), angle.sin()], 1)
    rows = []
    for frequency in frequencies:
        with drawing(derive_seed(seed, "init")):
            net = MLP((2,), 1, width, parametrization="ntk").double()
        net.layers[-1].requires_grad_(False)
        wave = (frequency * angle).cos()[:, None]
        with torch.no_grad():
            target = net(x) + wave
        for _ in descent(net, x, target, mse, configured("sgd", lr=lr, momentum=0), steps):
            pass
        with torch.no_grad():
            left = (((target - net(x)) * wave).mean() / wave.square().mean()).item()
        rate = (1 - left ** (1 / steps)) / (2 * lr)
        rows.append({"frequency": frequency, "measured": rate, "theory": frequency_rate(frequency)})
    return rows
