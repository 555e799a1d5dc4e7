"""Permuting hidden units: the same function with other weights, brought as near as can be to another network."""

import copy
import itertools
from collections.abc import Sequence
from typing import Any

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from overparam.assemble import ConfigError
from overparam.measures.norms import BATCH_NORMS


def hidden_layers(net: nn.Module) -> list[tuple[nn.Module, list[nn.Module], nn.Module]]:
    """Return (layer, norms after it, next layer) for every layer of hidden units of a plain chain of layers.

    Raises:
        ConfigError: for networks with skip connections, whose units are tied across layers.
    """
    weighted = (nn.Linear, nn.Conv2d)
    order: list[nn.Module] = [
        m for m in net.modules() if isinstance(m, (*weighted, *BATCH_NORMS, nn.LayerNorm))
    ]
    is_chain = all(type(m).__module__.startswith("torch.nn") or isinstance(m, weighted) for m in order)
    known = type(net).__name__ in ("MLP", "CNN", "Sequential")
    if not (is_chain and known):
        raise ConfigError(
            f"permutation matching is for chains of layers (mlp, cnn3, cnn5), not {type(net).__name__}: "
            "a residual network ties the units of its layers together"
        )
    places = [i for i, m in enumerate(order) if isinstance(m, weighted)]
    return [(order[a], order[a + 1 : b], order[b]) for a, b in itertools.pairwise(places)]


def permute(net: nn.Module, permutations: Sequence[Tensor]) -> nn.Module:
    """Return a copy whose hidden layer i has its units in the order permutations[i]; its outputs are the same.

    Args:
        net: a chain of layers, see `hidden_layers`.
        permutations: an order [units] of each layer of hidden units.
    """
    copied = copy.deepcopy(net)
    with torch.no_grad():
        for (layer, norms, following), order in zip(hidden_layers(copied), permutations, strict=True):
            for module in (layer, *norms):
                for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
                    if tensor.ndim > 0:
                        tensor.copy_(tensor[order].clone())
            weight = following.weight
            assert isinstance(weight, Tensor)
            repeat = weight.shape[1] // len(order)  # a flattened image has several inputs a channel
            index = (order[:, None] * repeat + torch.arange(repeat)).flatten()
            weight.copy_(weight[:, index].clone())
    return copied


def match_weights(net: nn.Module, target: nn.Module, sweeps: int = 20, seed: int = 0) -> nn.Module:
    """Return `net` with its hidden units permuted to bring its weights near those of `target`.

    Weight matching (Ainsworth et al. 2023, algorithm 1): one layer after the other in random order, the
    permutation that maximizes the inner product of all weights it touches, by the Hungarian method, until
    none changes. A local optimum: the joint problem is NP-hard.

    Args:
        net: the network to permute.
        target: the network to come near to.
        sweeps: most rounds over the layers.
        seed: of the order of layers.
    """
    rng = torch.Generator().manual_seed(seed)
    for _ in range(sweeps):
        changed = False
        for i in torch.randperm(len(hidden_layers(net)), generator=rng).tolist():
            layers, goals = hidden_layers(net), hidden_layers(target)
            affinity = _affinity(layers[i], goals[i])
            _, columns = linear_sum_assignment(affinity.numpy(), maximize=True)
            order = torch.from_numpy(columns)
            identity = torch.arange(len(order))
            gain = affinity[identity, order].sum() - affinity.diagonal().sum()
            if gain > 1e-6 * affinity.abs().sum():
                changed = True
                net = permute(
                    net,
                    [
                        order if j == i else torch.arange(_units(layer))
                        for j, (layer, _, _) in enumerate(layers)
                    ],
                )
        if not changed:
            break
    return net


def _units(layer: nn.Module) -> int:
    assert isinstance(layer.weight, Tensor)
    return len(layer.weight)


def _affinity(
    ours: tuple[nn.Module, list[nn.Module], nn.Module], theirs: tuple[nn.Module, list[nn.Module], nn.Module]
) -> Tensor:
    """Inner products [units, units] of what belongs to each unit: target's unit i with our unit j."""
    total = torch.zeros(_units(ours[0]), _units(ours[0]), dtype=torch.float64)
    for ours_part, theirs_part in zip((ours[0], *ours[1]), (theirs[0], *theirs[1]), strict=True):
        pairs = zip(theirs_part.parameters(recurse=False), ours_part.parameters(recurse=False), strict=True)
        for a, b in pairs:
            total += a.detach().double().view(len(a), -1) @ (b.detach().double().view(len(b), -1).T)
    following: list[Any] = [part[2].weight for part in (theirs, ours)]
    units = len(total)
    inputs = [w.detach().double().reshape(len(w), units, -1).transpose(0, 1).flatten(1) for w in following]
    return total + inputs[0] @ inputs[1].T
