"""Permuting hidden units: what belongs to the same units, and the same function with them in another order."""

import copy
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from overparam.errors import ConfigError
from overparam.measures.norms import BATCH_NORMS

WEIGHTED = (nn.Linear, nn.Conv2d)
NORMS = (*BATCH_NORMS, nn.LayerNorm)
UNITWISE = (
    *(nn.ReLU, nn.GELU, nn.Tanh, nn.Identity, nn.Dropout, nn.Flatten),
    *(nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d),
)
UNITWISE_CALLS = (F.relu, torch.relu, torch.flatten)
SUMS = (operator.add, operator.iadd, torch.add)


class Place(NamedTuple):
    """Where a group of units lies in a parameter or buffer: along `axis`, as `repeat` entries in a row a unit."""

    name: str
    axis: int
    repeat: int


class Group(NamedTuple):
    """Hidden units that can only be permuted together, and everything that has to move with them."""

    units: int
    places: list[Place]


def hidden_groups(net: nn.Module) -> list[Group]:
    """Return the groups of hidden units of a network, from the graph of its operations (`torch.fx`).

    A hidden layer of a chain is a group; so are the channels inside a residual block, and the channels of a
    residual stream, which all layers that read or write the stream share. What is added is one group. Inputs,
    outputs and units that pass through an operation not known here (zero padding of channels) stay in place.

    Raises:
        ConfigError: if no hidden unit can be permuted, or the forward pass has no fixed graph.
    """
    groups = _Walk(net).groups()
    if not groups:
        raise ConfigError(f"{type(net).__name__} has no hidden units that can be permuted")
    return groups


def permute(net: nn.Module, orders: Sequence[Tensor]) -> nn.Module:
    """Return a copy whose group i has its units in the order orders[i]; its outputs are the same.

    Args:
        net: a network.
        orders: for each of `hidden_groups(net)` a permutation [units].
    """
    copied = copy.deepcopy(net)
    tensors = dict(copied.named_parameters()) | dict(copied.named_buffers())
    with torch.no_grad():
        for group, order in zip(hidden_groups(net), orders, strict=True):
            for place in group.places:
                tensors[place.name].copy_(moved(tensors[place.name], place, order))
    return copied


def moved(tensor: Tensor, place: Place, order: Tensor) -> Tensor:
    """Return `tensor` with the units along the place's axis in the given order."""
    index = (order[:, None] * place.repeat + torch.arange(place.repeat)).flatten()
    return tensor.index_select(place.axis, index)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, WEIGHTED + NORMS + UNITWISE)


class _Walk:
    """Follows channels through the graph; channels that must stay equal are joined (union-find)."""

    def __init__(self, net: nn.Module) -> None:
        try:
            graph = _Tracer().trace(net)
        except (fx.proxy.TraceError, TypeError) as error:
            raise ConfigError(
                f"the forward pass of {type(net).__name__} has no fixed graph: {error}"
            ) from error
        self.modules = dict(net.named_modules())
        self.parent, self.sizes = [0], [0]  # group 0 are the channels that stay in place
        self.places: list[tuple[int, Place]] = []
        self.groups_of: dict[fx.Node, int] = {}
        for node in graph.nodes:
            self.groups_of[node] = self._visit(node)

    def groups(self) -> list[Group]:
        found: dict[int, Group] = {}
        for group, place in self.places:
            root = self._root(group)
            if root != self._root(0):
                found.setdefault(root, Group(self.sizes[root], [])).places.append(place)
        return list(found.values())

    def _visit(self, node: fx.Node) -> int:
        module = self.modules.get(str(node.target)) if node.op == "call_module" else None
        sources = [self.groups_of[source] for source in node.all_input_nodes]
        if isinstance(module, WEIGHTED) and getattr(module, "groups", 1) == 1:
            return self._layer(str(node.target), module, sources[0])
        if isinstance(module, NORMS):
            for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
                if tensor.ndim > 0:
                    self._place(f"{node.target}.{name}", tensor, 0, sources[0])
            return sources[0]
        is_sum = node.target in SUMS or (node.op == "call_method" and node.target in ("add", "add_"))
        if isinstance(module, UNITWISE) or node.target in UNITWISE_CALLS or is_sum:
            for source in sources[1:]:
                self._join(sources[0], source)
            return sources[0]
        for source in sources:  # an input, an output, or an operation that may tell channels apart
            self._join(source, 0)
        return 0

    def _layer(self, name: str, layer: Any, source: int) -> int:
        self._place(f"{name}.weight", layer.weight, 1, source)
        self.parent.append(len(self.parent))
        self.sizes.append(len(layer.weight))
        self._place(f"{name}.weight", layer.weight, 0, self.parent[-1])
        if layer.bias is not None:
            self._place(f"{name}.bias", layer.bias, 0, self.parent[-1])
        return self.parent[-1]

    def _place(self, name: str, tensor: Tensor, axis: int, group: int) -> None:
        # A flattened image has several entries a channel.
        self.places.append((group, Place(name, axis, tensor.shape[axis] // max(self.sizes[group], 1))))

    def _join(self, first: int, second: int) -> None:
        self.parent[self._root(first)] = self._root(second)

    def _root(self, group: int) -> int:
        while self.parent[group] != group:
            group = self.parent[group]
        return group
