"""How much memory a member of a pack takes, estimated before anything is allocated."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from overparam import compat
from overparam.machine import free_memory
from overparam.models.parameters import without_memory
from overparam.packs.side_by_side import runs_side_by_side
from overparam.training.build import Parts

ITEM_BYTES = {"32-true": 4, "64-true": 8}
# Weight, gradient, up to two running means of the optimizer, and one copy for checkpoint or weights.
COPIES_OF_PARAMETERS = 5
# Of the largest activation: the gradients that live at once in the backward pass, and what the allocator keeps of them.
COPIES_OF_LARGEST = 2.5
# What vmap takes beyond that: it lays activations out anew for its grouped convolutions (measured on cnn3).
COPIES_UNDER_VMAP = 2.5
# What a pack may take of the memory that is free when it is planned.
SHARE = 0.5


@dataclass(frozen=True)
class Footprint:
    """Bytes a member takes, at its own width and size."""

    model: float  # parameters, optimizer and activations: grows with the padded width and batch
    data: float  # samples: its own, and their place in the pack's batches


def footprint(parts: Parts, precision: str) -> Footprint:
    """Estimate what a run takes as a member of a pack; nothing is allocated."""
    item, data = ITEM_BYTES[precision], parts.data
    net = without_memory(parts.build_net).to("meta")
    saved, largest = saved_for_backward(net, data.input_shape)
    activations = data.batch_size * item * (saved + COPIES_OF_LARGEST * largest)
    if not runs_side_by_side(net):
        activations *= COPIES_UNDER_VMAP
    sample = 4 * math.prod(data.input_shape)
    copies = 3 if data.batch_size == data.n_train else 2  # its own, the evaluation's, the full batch's
    return Footprint(COPIES_OF_PARAMETERS * item * parts.params + activations, copies * data.n_train * sample)


def saved_for_backward(net: nn.Module, input_shape: tuple[int, ...]) -> tuple[float, float]:
    """Return how many numbers a sample's forward pass keeps for the backward pass, and the most in one tensor.

    Args:
        net: a network on the meta device.
        input_shape: shape of one sample.
    """
    samples, sizes = 4, {}

    def keep(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter) and tensor.dim() > 0 and len(tensor) == samples:
            sizes[compat.storage_id(tensor)] = tensor.numel() / samples
        return tensor

    dtype = next(net.parameters()).dtype
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = net(torch.empty(samples, *input_shape, device="meta", dtype=dtype))
        outputs.log_softmax(1).sum()
    return sum(sizes.values()), max(sizes.values())


def budget() -> float:
    """Return the bytes that packs may take on this machine: half of what is free, on the GPU if there is one."""
    if torch.cuda.is_available():
        return SHARE * torch.cuda.mem_get_info()[0]
    return SHARE * free_memory()
