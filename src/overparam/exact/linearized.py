"""Networks against their linearization: how far a trained one is from what its tangent kernel at the start predicts."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from overparam.data.sine import Sine
from overparam.exact.tangent_kernels import infinite_width_kernel
from overparam.exact.trained import configured, descent
from overparam.measures.tangent_kernel import tangent_kernel
from overparam.models.mlp import MLP
from overparam.randomness import derive_seed, drawing
from overparam.ranges import PositiveFloat, PositiveInt
from overparam.training.objective import mse


def kernel_prediction(
    seed: int,
    widths: Sequence[PositiveInt],
    depth: PositiveInt = 1,
    n: PositiveInt = 30,
    test_size: PositiveInt = 100,
    dim: PositiveInt = 5,
    steps: PositiveInt = 300,
    rate: PositiveFloat = 1.0,
) -> list[dict[str, Any]]:
    """Train the lab's ReLU MLP in NTK parametrization and compare it with kernel regression on new inputs.

    Gradient descent on the network linearized at its start is kernel regression, stopped early: at the test inputs
    f_t = f_0 + Theta(x, X) Theta(X, X)^-1 (I - (I - 2 lr Theta(X, X) / n)^t) (y - f_0(X)) (Lee et al. 2019, section
    2.2). The network's own predictions differ from it by order 1/sqrt(width) at most; from the same with the kernel of
    infinite width by order 1/sqrt(width), that of the kernel's error.

    Args:
        seed: of data and weights.
        widths: m, ascending.
        depth: hidden layers.
        n: training samples of data=sine.
        test_size: inputs that predictions are compared at.
        dim: their dimension.
        steps: t, of full-batch gradient descent.
        rate: learning rate times the largest eigenvalue of 2 Theta(X, X) / n at the start; below 2 it is stable.

    Returns:
        A row for each width: `width`; `train_loss` over the first loss, as `fitted`; `kernel_distance`, the root mean
        square of the network's predictions less the kernel's, over that of the kernel's change of the predictions;
        `limit_distance`, the same with the kernel of infinite width.
    """
    data = Sine(
        input_dim=dim,
        sine_dims=2,
        cosine_dims=2,
        pool_size=n,
        test_size=test_size,
        dtype="float64",
        seed=seed,
    )
    data.setup()
    x, y, tested = data.train.x, data.train.y, data.test.x
    limit = infinite_width_kernel(torch.cat([x, tested]), depth)
    rows = []
    for width in widths:
        with drawing(derive_seed(seed, "init")):
            net = MLP((dim,), 1, width, depth, parametrization="ntk").double()
        kernel = tangent_kernel(net, torch.cat([x, tested]), chunk=n + test_size)
        lr = learning_rate(kernel[:n, :n], rate)
        with torch.no_grad():
            begun, seen = net(tested), net(x)
        changes = [linearized_change(k, y - seen, lr, steps) for k in (kernel, limit)]
        losses = [loss for _, loss in descent(net, x, y, mse, configured("sgd", lr=lr, momentum=0), steps)]
        with torch.no_grad():
            change = net(tested) - begun
        row = {"width": width, "fitted": losses[-1] / losses[0]}
        for name, expected in zip(("kernel_distance", "limit_distance"), changes, strict=True):
            row[name] = ((change - expected).norm() / expected.norm()).item()
        rows.append(row)
    return rows


def linearized_change(kernel: Tensor, residual: Tensor, lr: float, steps: int) -> Tensor:
    """Return how predictions at new inputs [N', 1] change by gradient descent on a linearized network.

    Args:
        kernel: tangent kernel [n + N', n + N'] of the training inputs and the new ones.
        residual: y - f_0 [n, 1] on the training inputs.
        lr: learning rate on the lab's loss, which is the mean of squares.
        steps: t.
    """
    n = len(residual)
    values, vectors = torch.linalg.eigh(kernel[:n, :n])
    values = values.clamp(min=values[-1] * 1e-14)
    learned = (1 - (1 - 2 * lr * values / n) ** steps) / values
    return kernel[n:, :n] @ (vectors @ (learned[:, None] * (vectors.T @ residual)))


def learning_rate(kernel: Tensor, rate: float) -> float:
    """Return the learning rate on the lab's loss, the mean of squares, that is `rate` over its curvature.

    Args:
        kernel: tangent kernel [n, n] of the training inputs; the curvature is its largest eigenvalue times 2 / n.
        rate: below 2 gradient descent on the linearized network is stable.
    """
    return rate * len(kernel) / (2 * torch.linalg.eigvalsh(kernel)[-1].item())
