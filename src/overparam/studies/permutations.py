"""Permutations of hidden units: which tensors hold the same units, and the same function with reordered units."""

import copy
import operator
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from scipy.cluster.hierarchy import DisjointSet
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
FIXED = "fixed"  # the group of units that cannot be permuted: inputs and outputs


class UnitAxis(NamedTuple):
    """The dimension of a parameter or buffer that runs over hidden units, with `repeat` entries for each unit."""

    name: str
    dim: int
    repeat: int


class UnitGroup(NamedTuple):
    """Hidden units that can only be permuted together, and all tensors that must be permuted with them."""

    units: int
    axes: list[UnitAxis]


def hidden_groups(net: nn.Module) -> list[UnitGroup]:
    """Return the groups of hidden units of a network, from the graph of its operations (`torch.fx`).

    A hidden layer of a chain is a group; so are the channels inside a residual block, and the channels of a
    residual stream, which all layers that read or write the stream share. Tensors that are added have the same
    group. Inputs, outputs and units that pass through an operation not known here (zero padding of channels) are
    not permuted. A network of one trained layer has no group.

    Raises:
        ConfigError: if there are hidden units and none can be permuted, or the forward pass has no fixed graph.
    """
    try:
        graph = _LayerTracer().trace(net)
    except (fx.proxy.TraceError, TypeError) as error:
        raise ConfigError(f"the forward pass of {type(net).__name__} has no fixed graph: {error}") from error
    modules = dict(net.named_modules())
    joined = DisjointSet([FIXED])  # names of layers, whose output units are a group, and which groups are one
    units = {FIXED: 0}
    found: dict[tuple[str, int], tuple[str, int]] = {}  # tensor and dimension: its group and its size
    group_of: dict[fx.Node, str] = {}

    def add(group: str, tensor: str, dim: int, size: int) -> None:
        joined.merge(found.setdefault((tensor, dim), (group, size))[0], group)  # a layer may be used twice

    for node in graph.nodes:
        name = str(node.target)
        layer = modules.get(name) if node.op == "call_module" else None
        sources = [group_of[source] for source in node.all_input_nodes]
        if isinstance(layer, WEIGHTED) and getattr(layer, "groups", 1) == 1:
            joined.add(name)
            group_of[node], units[name] = name, len(layer.weight)
            add(sources[0], f"{name}.weight", 1, layer.weight.shape[1])
            for key, parameter in layer.named_parameters():
                add(name, f"{name}.{key}", 0, len(parameter))
        elif isinstance(layer, NORMS):
            group_of[node] = sources[0]
            for key, tensor in [*layer.named_parameters(), *layer.named_buffers()]:
                if tensor.ndim > 0:
                    add(sources[0], f"{name}.{key}", 0, len(tensor))
        else:
            is_sum = node.target in SUMS or (node.op == "call_method" and node.target in ("add", "add_"))
            is_unitwise = is_sum or isinstance(layer, UNITWISE) or node.target in UNITWISE_CALLS
            # An input, an output, or another operation may tell units apart.
            group_of[node] = sources[0] if is_unitwise else FIXED
            for source in sources:
                joined.merge(group_of[node], source)
    axes: dict[str, list[UnitAxis]] = defaultdict(list)
    for (tensor_name, dim), (group, size) in found.items():
        if not joined.connected(group, FIXED):
            # A flattened image has several entries for each channel.
            axes[joined[group]].append(UnitAxis(tensor_name, dim, size // units[group]))
    if not axes and len(units) > 2:  # with one layer all units are outputs: the convex control
        raise ConfigError(f"{type(net).__name__} has no hidden units that can be permuted")
    return [UnitGroup(units[root], group_axes) for root, group_axes in axes.items()]


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
            for axis in group.axes:
                tensors[axis.name].copy_(reordered(tensors[axis.name], axis, order))
    return copied


def reordered(tensor: Tensor, axis: UnitAxis, order: Tensor) -> Tensor:
    """Return `tensor` with its units along `axis` in the given order."""
    index = (order[:, None] * axis.repeat + torch.arange(axis.repeat)).flatten()
    return tensor.index_select(axis.dim, index)


class _LayerTracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, WEIGHTED + NORMS + UNITWISE)
