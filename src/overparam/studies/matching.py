"""Bringing one network near another by permuting its hidden units: the same function, other weights."""

from collections.abc import Mapping, Sequence

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from overparam.studies.permutations import Group, hidden_groups, moved, permute

State = Mapping[str, Tensor]


def match_weights(
    net: nn.Module, target: nn.Module, restarts: int = 10, sweeps: int = 100, seed: int = 0
) -> nn.Module:
    """Return `net` with its hidden units permuted to bring its weights near those of `target`.

    Weight matching (Ainsworth et al. 2023, algorithm 1): one group of units after the other in random order,
    the permutation that maximizes the inner product of all weights it touches, by the Hungarian method, until
    none changes. That ends in a local optimum (the joint problem is NP-hard) which depends on the start, so
    the best of several is taken: the units as they are, and random permutations.

    Args:
        net: the network to permute.
        target: the network to come near to, of the same shape.
        restarts: starts, 1 or more.
        sweeps: most rounds over the groups, from each start.
        seed: of the starts and of the order of groups.
    """
    rng = torch.Generator().manual_seed(seed)
    groups = hidden_groups(net)
    ours, goal = _weights(net), _weights(target)
    best, nearest = -torch.inf, [torch.arange(group.units) for group in groups]
    for start in range(restarts):
        orders = [
            torch.randperm(group.units, generator=rng) if start else torch.arange(group.units)
            for group in groups
        ]
        found = _ascend(groups, ours, goal, orders, sweeps, rng)
        if found > best:
            best, nearest = found, orders
    return permute(net, nearest)


def _ascend(
    groups: Sequence[Group], ours: State, goal: State, orders: list[Tensor], sweeps: int, rng: torch.Generator
) -> float:
    """Improve `orders` in place, one group at a time, until none changes; return the inner product reached."""
    state = dict(ours)
    for group, order in zip(groups, orders, strict=True):
        _move(state, group, order)
    reached = -torch.inf
    for _ in range(sweeps):
        for i in torch.randperm(len(groups), generator=rng).tolist():
            _, columns = linear_sum_assignment(_affinity(groups[i], state, goal).numpy(), maximize=True)
            order = torch.from_numpy(columns)
            _move(state, groups[i], order)
            orders[i] = orders[i][order]
        before, reached = reached, sum(float((state[name] * goal[name]).sum()) for name in goal)
        if reached <= before + 1e-9 * abs(before):
            break
    return reached


def _weights(net: nn.Module) -> State:
    return {name: p.detach().double() for name, p in net.named_parameters()}


def _move(state: dict[str, Tensor], group: Group, order: Tensor) -> None:
    for place in group.places:
        if place.name in state:  # and not a buffer
            state[place.name] = moved(state[place.name], place, order)


def _affinity(group: Group, state: State, goal: State) -> Tensor:
    """Inner products [units, units] of what belongs to each unit: the target's unit i with our unit j."""
    total = torch.zeros(group.units, group.units, dtype=torch.float64)
    for place in group.places:
        if place.name in state:
            a, b = (
                tensors[place.name].movedim(place.axis, 0).reshape(group.units, -1)
                for tensors in (goal, state)
            )
            total += a @ b.T
    return total
