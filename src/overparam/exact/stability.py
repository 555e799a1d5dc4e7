"""How large a learning rate may be: the bounds of gradient descent, momentum and Adam, and of the catapult."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import nn

from overparam.data.linear import LinearRegression
from overparam.exact.trained import configured, descent
from overparam.measures.curvature import hessian
from overparam.measures.subject import Subject
from overparam.measures.tangent_kernel import tangent_kernel
from overparam.models.linear import Linear
from overparam.models.mlp import MLP
from overparam.randomness import derive_seed, drawing, generator
from overparam.training.objective import mse

GROWN = 1e6  # a loss so many times the first is of a run that diverges, one below its inverse of one that converges


def stable_curvature(kind: str, momentum: float) -> float:
    """Return the largest curvature times learning rate at which an optimizer is stable on a quadratic.

    Gradient descent 2; with momentum b ("heavy_ball", torch's SGD) 2 (1 + b), with Nesterov's
    (2 + 2b) / (1 + 2b) (Cohen et al. 2021); "adam", with its preconditioner fixed and the curvature that of
    the preconditioned Hessian, 2 (1 + b) / (1 - b), 38 for b = 0.9 (Cohen et al. 2022).
    """
    return {
        "gd": 2.0,
        "heavy_ball": 2 + 2 * momentum,
        "nesterov": (2 + 2 * momentum) / (1 + 2 * momentum),
        "adam": (2 + 2 * momentum) / (1 - momentum),
    }[kind]


def stability_bounds(
    seed: int, momentum: float = 0.9, n: int = 20, dim: int = 5, steps: int = 600, halvings: int = 10
) -> list[dict[str, Any]]:
    """Find by bisection the largest stable learning rate of each optimizer of the lab, on its linear regression.

    Args:
        seed: of data and start.
        momentum: b, of all but "gd".
        n: samples.
        dim: their dimension.
        steps: of a training; one whose distance from the solution is larger at the end than in the middle diverges.
        halvings: see `bisect`.

    Returns:
        A row for each optimizer: `measured`, that learning rate times the top eigenvalue of the Hessian, which the
        lab's measure `hessian` finds; of Adam's preconditioned Hessian; `theory`, `stable_curvature`.
    """
    data = LinearRegression(input_dim=dim, pool_size=n, test_size=1, seed=seed)
    data.setup()
    x, y = data.train.x, data.train.y

    def start() -> Linear:
        with drawing(derive_seed(seed, "init")):
            return Linear((dim,), 1, bias=False, init="normal").double()

    net = start()
    with drawing(derive_seed(seed, "hessian")):
        top = hessian(Subject(net, net, data.train, data.train, mse), trace_products=0)["hessian_top"]
        second_moment = 0.5 + torch.rand(1, dim, dtype=torch.float64)
    roots = second_moment[0] ** 0.25
    preconditioned = torch.linalg.eigvalsh(2 * x.T @ x / n / roots[:, None] / roots)[-1].item()

    def frozen_adam(parameters: list[nn.Parameter], lr: float) -> torch.optim.Optimizer:
        optimizer = configured("adam", lr=lr, betas=[momentum, 1 - 1e-12], eps=0.0)(parameters)
        # As after endless steps: the second moment moves no more, and nothing is corrected for its start.
        for parameter in parameters:
            optimizer.state[parameter] = {
                "step": torch.tensor(1e15),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": second_moment.clone(),
            }
        return optimizer

    makers: dict[str, tuple[float, Callable[..., torch.optim.Optimizer]]] = {
        "gd": (top, lambda p, lr: configured("sgd", lr=lr, momentum=0)(p)),
        "heavy_ball": (top, lambda p, lr: configured("sgd", lr=lr, momentum=momentum)(p)),
        "nesterov": (top, lambda p, lr: configured("sgd", lr=lr, momentum=momentum, nesterov=True)(p)),
        "adam": (preconditioned, frozen_adam),
    }
    rows = []
    for kind, (curvature, make) in makers.items():
        theory = stable_curvature(kind, momentum)

        def diverges(bound: float, make: Any = make, curvature: float = curvature) -> bool:
            trained = start()
            optimizer = make(list(trained.parameters()), bound / curvature)
            losses = _until_decided(descent(trained, x, y, mse, optimizer, steps))
            if len(losses) < steps:
                return losses[-1] > losses[0]
            late, middle = losses[-steps // 10 :], losses[steps // 2 : steps // 2 + steps // 10]
            return max(late) > max(middle)

        rows.append(
            {"optimizer": kind, "measured": bisect(diverges, theory, halvings, seed), "theory": theory}
        )
    return rows


def catapult_bounds(
    seed: int, width: int = 2048, steps: int = 400, halvings: int = 10
) -> list[dict[str, Any]]:
    """Find by bisection where gradient descent on a linear network of one hidden layer first rises, and diverges.

    f = v . u / sqrt(m) on one sample x = 1, y = 0, with kernel k = (|u|^2 + |v|^2) / m. On the loss f^2 / 2 one step of
    size lr gives f (1 - lr k + lr^2 f^2 / m) and k + (lr f^2 / m)(lr k - 4) (Lewkowycz et al. 2020): the
    loss falls at once for lr k < 2, and from 2 to 4 it rises first and comes down at a flatter place.

    Args:
        seed: of the weights.
        width: m.
        steps: of a training.
        halvings: see `bisect`.

    Returns:
        A row for `bound` "rises", where the loss after the first step is that before it, `theory` 2 + lr^2 f^2 / m; and
        one for "diverges", `theory` 4. `measured` is the learning rate times the kernel at the start.
    """
    x, y = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)

    def start() -> MLP:
        with drawing(derive_seed(seed, "init")):
            net = MLP((1,), 1, width, activation="identity", init="lecun", parametrization="ntk").double()
        for layer in net.layers:
            if isinstance(layer, nn.Linear):
                layer.bias.requires_grad_(False)
        return net

    net = start()
    kernel = tangent_kernel(net, x).item()
    with torch.no_grad():
        output = net(x).item()

    def losses(bound: float, count: int) -> Iterator[tuple[int, float]]:
        # The lab's loss is f^2, twice the theory's.
        return descent(start(), x, y, mse, configured("sgd", lr=bound / kernel / 2, momentum=0), count)

    def rises(bound: float) -> bool:
        (_, before), (_, after) = losses(bound, 2)
        return after > before

    def diverges(bound: float) -> bool:
        # The loss rises to the order of m before it comes down.
        found = _until_decided(losses(bound, steps), GROWN * width)
        return found[-1] > GROWN * width * found[0]

    correction = (2 / kernel * output) ** 2 / width
    return [
        {"bound": "rises", "measured": bisect(rises, 2.0, halvings, seed), "theory": 2 + correction},
        {"bound": "diverges", "measured": bisect(diverges, 4.0, halvings, seed), "theory": 4.0},
    ]


def _until_decided(losses: Iterable[tuple[int, float]], grown: float = GROWN) -> list[float]:
    """Return the losses up to the first that says how the training ends."""
    found: list[float] = []
    for _, loss in losses:
        found.append(loss)
        if not found[0] / GROWN < loss < grown * found[0]:
            break
    return found


def bisect(is_above: Callable[[float], bool], about: float, halvings: int, seed: int) -> float:
    """Return the middle of the interval that `halvings` halvings leave of a factor of four around `about`.

    Logarithmic throughout. Where the interval begins is drawn from `seed`: so the mean over seeds of what is found is
    that of what is there, and not on a grid, and its spread over seeds is the resolution.
    """
    shift = torch.rand(1, generator=generator(seed, "exact", "bisect", str(about))).item()
    low = about * 2 ** (-0.5 - shift)
    high = 4 * low
    for _ in range(halvings):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if is_above(middle) else (middle, high)
    return math.sqrt(low * high)
