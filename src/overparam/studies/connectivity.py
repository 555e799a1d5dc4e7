"""Mode connectivity: the loss along paths between two solutions of one training set."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from overparam.studies.interpolation import average, barrier
from overparam.studies.matching import match_weights
from overparam.training.finished import FinishedRun, loss_and_error, require_same_data


def mode_connectivity(
    runs: Sequence[FinishedRun], points: int = 21, curve_steps: int = 200, curve_lr: float = 1e-2
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
        A row a pair: `first`, `second`, `barrier_linear`, `barrier_matched`, `barrier_bezier` (loss), and
        `error_linear`, `error_matched`: test error at the midpoint.
    """
    require_same_data(runs)
    rows = []
    for first, second in zip(runs[::2], runs[1::2], strict=False):
        linear, error_linear = _line(first, first.net, second.net, points)
        row: dict[str, Any] = {"first": first.identity, "second": second.identity}
        row |= {"barrier_linear": linear, "error_linear": error_linear}
        matched, error_matched = _line(first, first.net, match_weights(second.net, first.net), points)
        row |= {"barrier_matched": matched, "error_matched": error_matched}
        row["barrier_bezier"] = (
            bezier_barrier(first, second.net, points, curve_steps, curve_lr) if curve_steps else None
        )
        rows.append(row)
    return rows


def bezier_barrier(run: FinishedRun, other: nn.Module, points: int, steps: int, lr: float) -> float:
    """Return the barrier of the training loss along a trained quadratic Bezier curve from `run` to `other`.

    theta(t) = (1 - t)^2 theta_0 + 2 t (1 - t) phi + t^2 theta_1; phi starts midway and minimizes, by Adam with
    a cosine schedule, the mean loss at a random t a step, on the full training set (Garipov et al. 2018, eq. 1).
    """
    rng = torch.Generator().manual_seed(0)
    ends = [dict(net.named_parameters()) for net in (run.net, other)]
    middle = average([run.net, other], [0.5, 0.5], run.train.x)
    phi = {k: p.detach().clone().requires_grad_() for k, p in middle.named_parameters()}
    optimizer = torch.optim.Adam(phi.values(), lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    x = run.train.x.to(next(run.net.parameters()).dtype)
    middle.train()  # BatchNorm by batch statistics: those of each point of the curve
    for _ in range(steps):
        t = torch.rand((), generator=rng).item()
        point = {
            k: (1 - t) ** 2 * ends[0][k].detach() + 2 * t * (1 - t) * phi[k] + t**2 * ends[1][k].detach()
            for k in phi
        }
        optimizer.zero_grad()
        run.loss(functional_call(middle, point, (x,)), run.train.y).mean().backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        for name, parameter in middle.named_parameters():
            parameter.copy_(phi[name])
    losses = {}
    for t in (i / (points - 1) for i in range(points)):
        weights = [(1 - t) ** 2, 2 * t * (1 - t), t**2]
        net = average([run.net, middle, other], weights, run.train.x)
        losses[t] = loss_and_error(net, run.train, run.loss)[0]
    return barrier(losses)


def _line(run: FinishedRun, start: nn.Module, end: nn.Module, points: int) -> tuple[float, float]:
    losses = {}
    for alpha in (i / (points - 1) for i in range(points)):
        net = average([start, end], [1 - alpha, alpha], run.train.x)
        losses[alpha] = loss_and_error(net, run.train, run.loss)[0]
    middle = average([start, end], [0.5, 0.5], run.train.x)
    return barrier(losses), loss_and_error(middle, run.test, run.loss)[1]
