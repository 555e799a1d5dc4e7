"""Permuting the hidden units of one network to bring its weights near those of another; the function stays."""

from collections.abc import Mapping, Sequence

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from overparam.studies.permutations import UnitAxis, UnitGroup, hidden_groups, permute, reordered

State = Mapping[str, Tensor]


def match_weights(
    net: nn.Module, target: nn.Module, restarts: int = 10, sweeps: int = 100, seed: int = 0
) -> nn.Module:
    """Return `net` with its hidden units permuted to bring its weights near those of `target`.

    Weight matching (Ainsworth et al. 2023, algorithm 1): for one group of units after the other in random order,
    the permutation that maximizes the inner product of all weights it touches, by the Hungarian method, until
    none changes. This finds a local optimum that depends on the start (the joint problem is NP-hard), so the best
    of several starts is taken: the units as they are, and random permutations.

    Args:
        net: the network to permute.
        target: the network whose weights to match, of the same shape.
        restarts: starts, 1 or more.
        sweeps: most rounds over the groups, from each start.
        seed: of the starts and of the order of groups.
    """
    rng = torch.Generator().manual_seed(seed)
    groups = hidden_groups(net)
    ours, goal = _parameters(net), _parameters(target)
    best, nearest = -torch.inf, [torch.arange(group.units) for group in groups]
    for start in range(restarts):
        orders = [
            torch.randperm(group.units, generator=rng) if start else torch.arange(group.units)
            for group in groups
        ]
        found = _improve(groups, ours, goal, orders, sweeps, rng)
        if found > best:
            best, nearest = found, orders
    return permute(net, nearest)


def _improve(
    groups: Sequence[UnitGroup],
    ours: State,
    goal: State,
    orders: list[Tensor],
    sweeps: int,
    rng: torch.Generator,
) -> float:
    """Change `orders`, one group at a time, until none improves; return the inner product reached."""
    state = dict(ours)
    axes = [[axis for axis in group.axes if axis.name in goal] for group in groups]  # not of buffers

    def reorder(group: int, order: Tensor) -> None:
        for axis in axes[group]:
            state[axis.name] = reordered(state[axis.name], axis, order)

    def rows(tensors: State, axis: UnitAxis, units: int) -> Tensor:
        return tensors[axis.name].movedim(axis.dim, 0).reshape(units, -1)

    for i, order in enumerate(orders):
        reorder(i, order)
    reached = -torch.inf
    for _ in range(sweeps):
        for i in torch.randperm(len(groups), generator=rng).tolist():
            units = groups[i].units
            products = torch.zeros(units, units, dtype=torch.float64)  # of the goal's unit with our unit
            for axis in axes[i]:
                products += rows(goal, axis, units) @ rows(state, axis, units).T
            order = torch.from_numpy(linear_sum_assignment(products.numpy(), maximize=True)[1])
            reorder(i, order)
            orders[i] = orders[i][order]
        before, reached = reached, sum(float((state[name] * goal[name]).sum()) for name in goal)
        if reached <= before + 1e-9 * abs(before):
            break
    return reached


def _parameters(net: nn.Module) -> State:
    return {name: p.detach().double() for name, p in net.named_parameters()}
