"""The catapult on data: learning rates at which the loss rises first and training comes down at a flatter place."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch

from overparam.data.digits import Digits
from overparam.exact.stability import bisect
from overparam.exact.trained import configured, descent
from overparam.measures.tangent_kernel import tangent_kernel
from overparam.models.mlp import MLP, Activation
from overparam.randomness import derive_seed, drawing
from overparam.ranges import PositiveFloat, PositiveInt
from overparam.training.objective import mse

GROWN = 1e4  # a loss so many times the first, relative to the width, is of a run that diverges


def catapult(
    seed: int,
    activations: Sequence[Activation] = ("identity", "relu"),
    rates: Sequence[PositiveFloat] = (1.0, 1.5, 2.5, 3.0),
    width: PositiveInt = 512,
    n: PositiveInt = 30,
    steps: PositiveInt = 300,
    halvings: PositiveInt = 6,
) -> list[dict[str, Any]]:
    """Train the lab's MLP with one hidden layer to tell digits 0 and 1, at learning rates around the catapult's.

    On half the mean squared error the curvature at the start is k, the largest eigenvalue of the tangent kernel over n.
    At a learning rate below 2/k the loss falls; between 2/k and 4/k it rises first, to the order of the width, and
    comes down where the curvature is below 2 over the learning rate; from 4/k on a linear network diverges, and one of
    ReLUs later, at about 12/k (Lewkowycz et al. 2020, who derive it for one sample).

    Args:
        seed: of the subset and the weights.
        activations: of the networks.
        rates: learning rates times k.
        width: m.
        n: samples; targets are -1 and 1.
        steps: of a training.
        halvings: of the bisections of learning rates, see `stability.bisect`.

    Returns:
        A row for each activation and rate: `activation`, `rate`, `log2_rise`, of the largest loss over the first;
        `log2_end`, of the last loss over the first; `rate_at_end`, the learning rate times the curvature at the end;
        None if it diverged. In all rows of an activation, `rises_at` and `diverges_at`, the learning rates times k from
        which on a loss is above the first, and grows without end.
    """
    data = Digits(n_train=n, classes=[0, 1], seed=seed)
    data.setup()
    x, y = data.train.x.double().flatten(1), (2.0 * data.train.y - 1).double()[:, None]
    x = x / x.square().sum(1).mean().sqrt() * x.shape[1] ** 0.5
    rows: list[dict[str, Any]] = []
    for activation in activations:

        def start(activation: Activation = activation) -> MLP:
            init: Any = "lecun" if activation == "identity" else "he"
            with drawing(derive_seed(seed, "init")):
                return MLP((x.shape[1],), 1, width, 1, activation, init=init, parametrization="ntk").double()

        def curvature(net: MLP) -> float:
            return torch.linalg.eigvalsh(tangent_kernel(net, x, chunk=n))[-1].item() / n

        first = curvature(start())

        def train(net: MLP, rate: float, first: float = first) -> Iterator[float]:
            # The lab's loss is twice the theory's.
            optimizer = configured("sgd", lr=rate / first / 2, momentum=0)
            for _, loss in descent(net, x, y, mse, optimizer, steps):
                yield loss

        def grows(rate: float, times: float, start: Any = start, train: Any = train) -> bool:
            losses = train(start(), rate)
            begun = next(losses)
            return any(not loss < times * begun for loss in losses)

        found = []
        for rate in rates:
            net = start()
            losses = torch.tensor(list(train(net, rate)), dtype=torch.float64)
            row = {
                "activation": activation,
                "rate": rate,
                "log2_rise": None,
                "log2_end": None,
                "rate_at_end": None,
            }
            if losses.isfinite().all():
                row["log2_rise"] = (losses.max() / losses[0]).log2().item()
                row["log2_end"] = (losses[-1] / losses[0]).log2().item()
                row["rate_at_end"] = rate * curvature(net) / first
            found.append(row)
        limits = {
            "rises_at": bisect(partial(grows, times=1.01), 2.0, halvings, seed),
            "diverges_at": bisect(partial(grows, times=GROWN * width), 4.0, halvings, seed),
        }
        rows += [row | limits for row in found]
    return rows
