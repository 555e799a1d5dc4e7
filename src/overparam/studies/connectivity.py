"""Mode connectivity: the loss along paths between two solutions of one training set."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from overparam.ranges import NonNegativeInt, PositiveFloat, PositiveInt
from overparam.studies.interpolation import average, barrier
from overparam.studies.matching import match_weights
from overparam.training.finished import FinishedRun, loss_and_error, require_same_data
from overparam.training.objective import mean_loss


def mode_connectivity(
    runs: Sequence[FinishedRun],
    points: PositiveInt = 21,
    curve_steps: NonNegativeInt = 200,
    curve_lr: PositiveFloat = 1e-2,
) -> list[dict[str, Any]]:
    """Measure the barriers between runs that differ in initialization and batch order only.

    Pairs are (first, second), (third, fourth), ... Barriers are of the training loss, see
    `interpolation.barrier`, on three paths: linear; linear after `matching.match_weights`; and a quadratic
    Bezier curve whose middle point is trained (Garipov et al. 2018).

    Args:
        runs: finished runs on one training set.
        points: values of alpha, ends included.
        curve_steps: Adam steps for the middle of the curve; 0 leaves it out.
        curve_lr: their learning rate.

    Returns:
        A row for each pair: `first`, `second`, `barrier_linear`, `barrier_matched`, `barrier_bezier` (loss), and
        `error_linear`, `error_matched`: test error at the midpoint.
    """
    require_same_data(runs)
    rows = []
    for first, second in zip(runs[::2], runs[1::2], strict=False):
        row: dict[str, Any] = {"first": first.identity, "second": second.identity}
        for name, end in (("linear", second.net), ("matched", match_weights(second.net, first.net))):
            ends = [first.net, end]
            row[f"barrier_{name}"] = path_barrier(first, ends, lambda t: [1 - t, t], points)
            middle = average(ends, [0.5, 0.5], first.train.x)
            row[f"error_{name}"] = loss_and_error(middle, first.test, first.loss)[1]
        row["barrier_bezier"] = None
        if curve_steps:
            middle = bezier_middle(first, second.net, curve_steps, curve_lr)
            curve = [first.net, middle, second.net]
            row["barrier_bezier"] = path_barrier(first, curve, bezier_weights, points)
        rows.append(row)
    return rows


def path_barrier(
    run: FinishedRun, nets: Sequence[nn.Module], weights: Callable[[float], list[float]], points: int
) -> float:
    """Return the barrier of the training loss along the path sum_i weights(t)_i nets_i, at `points` values of t."""
    losses = {}
    for t in (i / (points - 1) for i in range(points)):
        net = average(nets, weights(t), run.train.x)
        losses[t] = loss_and_error(net, run.train, run.loss)[0]
    return barrier(losses)


def bezier_weights(t: float) -> list[float]:
    """Return the weights of the three points of a quadratic Bezier curve at t (Garipov et al. 2018, eq. 4)."""
    return [(1 - t) ** 2, 2 * t * (1 - t), t**2]


def bezier_middle(run: FinishedRun, other: nn.Module, steps: int, lr: float) -> nn.Module:
    """Return the middle point of a quadratic Bezier curve from `run` to `other` on which the training loss is low.

    It starts midway and minimizes, by Adam with a cosine schedule, the mean loss at one random t for each step, on
    the full training set (Garipov et al. 2018, eq. 1).
    """
    rng = torch.Generator().manual_seed(0)
    first, last = (dict(net.named_parameters()) for net in (run.net, other))
    middle = average([run.net, other], [0.5, 0.5], run.train.x)
    phi = {k: p.detach().clone().requires_grad_() for k, p in middle.named_parameters()}
    optimizer = torch.optim.Adam(phi.values(), lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    x = run.train.x.to(next(run.net.parameters()).dtype)
    middle.train()  # BatchNorm by batch statistics: those of each point of the curve
    for _ in range(steps):
        a, b, c = bezier_weights(torch.rand((), generator=rng).item())
        point = {k: a * first[k].detach() + b * phi[k] + c * last[k].detach() for k in phi}
        optimizer.zero_grad()
        mean_loss(run.loss, functional_call(middle, point, (x,)), run.train.y).backward()
        optimizer.step()
        schedule.step()
    middle.load_state_dict(phi, strict=False)
    return middle
