"""The loss around a solution, along random directions as long as its weights."""

import copy
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from overparam.errors import ConfigError
from overparam.ranges import PositiveFloat, PositiveInt
from overparam.studies.interpolation import recompute_statistics
from overparam.training.finished import FinishedRun, loss_and_error


def landscape(
    runs: Sequence[FinishedRun], points: PositiveInt = 21, radius: PositiveFloat = 1.0
) -> list[dict[str, Any]]:
    """Measure the training loss on a plane through the trained weights: theta + alpha d1 + beta d2.

    d1 and d2 are Gaussian and filter-normalized (Li et al. 2018): every row of a weight matrix, and every
    kernel of a channel, has the norm that the weights have there; biases and norms do not move. Networks whose
    units are scaled differently can so be compared. BatchNorm statistics are recomputed at each point. Curvature
    in other directions is not seen.

    Args:
        runs: one finished run.
        points: values of alpha and of beta, odd: the middle is the trained network. Costs 2 points^2
            evaluations.
        radius: the largest |alpha| and |beta|; at 1 a direction is as long as the weights themselves.

    Returns:
        A row for each point: `alpha`, `beta`, `train_loss`, `test_error`.
    """
    if points < 3 or points % 2 == 0:
        raise ConfigError(f"study.points must be odd and 3 or more, got {points}")
    (run,) = runs
    directions = [filter_normalized(run.net) for _ in range(2)]
    ticks = np.linspace(-radius, radius, points).tolist()
    rows = []
    for beta, alpha in product(ticks, ticks):
        net = displaced(run.net, directions, (alpha, beta))
        if alpha or beta:
            recompute_statistics(net, run.train.x)
        row = {"alpha": alpha, "beta": beta, "train_loss": loss_and_error(net, run.train, run.loss)[0]}
        rows.append({**row, "test_error": loss_and_error(net, run.test, run.loss)[1]})
    return rows


def filter_normalized(net: nn.Module) -> dict[str, Tensor]:
    """Draw a direction: parameter name -> Gaussian tensor whose rows have the norms of the parameter's rows."""
    direction = {}
    for name, p in net.named_parameters():
        if p.ndim > 1:
            d = torch.randn_like(p)
            ratio = p.detach().flatten(1).norm(dim=1) / d.flatten(1).norm(dim=1)
            direction[name] = d * ratio.view(-1, *[1] * (p.ndim - 1))
    return direction


@torch.no_grad()
def displaced(
    net: nn.Module, directions: Sequence[dict[str, Tensor]], coordinates: Sequence[float]
) -> nn.Module:
    """Return a copy of the network at theta + sum_i coordinates_i directions_i."""
    copied = copy.deepcopy(net)
    for name, p in copied.named_parameters():
        for direction, coordinate in zip(directions, coordinates, strict=True):
            if name in direction:
                p.add_(direction[name], alpha=coordinate)
    return copied
