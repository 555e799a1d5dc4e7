"""What one training step costs: floating-point operations and peak memory, without taking it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from overparam.compat import MemTracker, fake_tensors
from overparam.models.parameters import without_memory

TRUE_DTYPES = {"64-true": torch.float64, "bf16-true": torch.bfloat16, "16-true": torch.float16}


@dataclass(frozen=True)
class StepCost:
    """The cost of one optimizer step on one batch."""

    flops: int  # of matrix products and convolutions, forward and backward; a multiply-add counts as two
    memory_bytes: int  # largest sum of live tensors: weights, gradients, optimizer state, activations, batch


def step_cost(
    build_net: Callable[[], nn.Module],
    loss: Callable[[Tensor, Tensor], Tensor],
    build_optimizer: Callable[[nn.Module], torch.optim.Optimizer],
    input_shape: tuple[int, ...],
    num_outputs: int,
    batch_size: int,
    regression: bool = False,
    precision: str = "32-true",
) -> StepCost:
    """Count the operations and the peak memory of a step from its shapes alone.

    The step (forward, backward, update, with the optimizer's state in place) runs on fake tensors, which have
    shapes, dtypes and lifetimes but no memory and no values: `torch.utils.flop_counter` counts its operations
    and torch's `MemTracker` its live storages. So the memory is exact for what PyTorch holds in tensors. It
    leaves out the allocator's rounding, the workspaces of convolution libraries, a GPU's context (0.3 to 0.6
    GB), the resident data set and evaluation.

    Args:
        build_net: makes the network.
        loss: from outputs [B, K] and targets to losses [B].
        build_optimizer: makes the optimizer of a network.
        input_shape: shape of one sample.
        num_outputs: K.
        batch_size: samples a step.
        regression: targets are [B, K] numbers instead of [B] classes.
        precision: as in `trainer.precision`.
    """
    dtype = TRUE_DTYPES.get(precision, torch.float32)
    with default_dtype(dtype):
        shapes = without_memory(build_net).to("meta")
    with fake_tensors():
        net = shapes.to_empty(device="cpu")
        x = torch.empty(batch_size, *input_shape, dtype=dtype)
        y = torch.empty(batch_size, num_outputs) if regression else torch.zeros(batch_size, dtype=torch.long)
        trained = [p for p in net.parameters() if p.requires_grad]
        updates = build_optimizer(net)
        for p in trained:
            p.grad = torch.zeros_like(p)
        updates.step()
        updates.zero_grad()
        memory, flops = MemTracker(), FlopCounterMode(display=False)
        memory.track_external(net, updates, x, y)
        autocast = torch.autocast("cpu", torch.bfloat16) if precision.endswith("mixed") else nullcontext()
        with memory, flops:
            with autocast:
                value = loss(net(x), y).mean()
            value.backward()
            updates.step()
    peak = memory.get_tracker_snapshot("peak")
    return StepCost(flops.get_total_flops(), sum(device["Total"] for device in peak.values()))


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Create floating-point tensors as `dtype` inside the context."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
