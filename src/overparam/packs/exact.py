"""Whether a network can be packed and padded without changing its results: tried out, not declared.

A network of somebody else's then needs no flag: it is packed if a small trial says that this is exact.
"""

import copy
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import torch
from torch import Tensor, nn

from overparam.machine import can_fork
from overparam.packs.side_by_side import runs_side_by_side
from overparam.packs.stack import Stack
from overparam.randomness import forked

SAMPLES = 4
PATIENCE = 60.0  # seconds that a trial may take
TOLERANCE = 1e-8  # of float64 results of order one; an inexact network is off by far more


def succeeds_in_subprocess(trial: Callable[[], bool]) -> bool:
    """Return what `trial` does, or False if it raises, hangs, ends its process or crashes it.

    It runs in a forked process: a network may do anything, and a sweep must outlive it. Where that cannot be, it runs
    in this one, and only what it raises is caught: on systems that do not fork, and where there is a GPU once this
    process has taken a gradient, after which torch takes none in a fork of it.
    """
    if can_fork() and _in_a_fork(_takes_gradients):
        return _in_a_fork(trial)
    with forked(), suppress(Exception):
        return trial()
    return False


def _takes_gradients() -> bool:
    torch.ones((), requires_grad=True).backward()
    return True


def _in_a_fork(trial: Callable[[], bool]) -> bool:
    child = os.fork()
    if child == 0:
        result = False
        try:
            torch.set_num_threads(1)  # OpenMP's other threads did not come along
            result = trial()
        finally:
            os._exit(0 if result else 1)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def packing_is_exact(net: nn.Module, input_shape: tuple[int, ...]) -> bool:
    """Whether two copies of `net` in a stack compute what it computes alone, in training mode."""
    return padding_is_exact(net, net, input_shape)


def padding_is_exact(narrow: nn.Module, wide: nn.Module, input_shape: tuple[int, ...]) -> bool:
    """Whether `narrow`, in a stack with `wide`, has its own outputs, and what it is padded with zero gradients.

    Parameters and buffers are drawn at random for the trial: a readout that starts at zero would hide what
    lies before it.
    """
    narrow, wide = _randomized(narrow), _randomized(wide)
    x = _inputs(input_shape)
    try:
        rows = 1 if runs_side_by_side(narrow) else 2
        stack = Stack([narrow, wide], rows).train()
        outputs = stack(x.expand(rows, *x.shape))
        expected = narrow.train()(x)
    except (RuntimeError, ValueError, KeyError, AttributeError):
        return False  # vmap meets something it cannot do: random numbers, a branch on data, another structure
    if outputs[0].T.shape != expected.shape:
        return False
    if not torch.allclose(outputs[0].T, expected, rtol=TOLERANCE, atol=TOLERANCE):
        return False
    (gradient,) = torch.autograd.grad(outputs.square().sum(), [stack.flat])
    own = sum(int(stack.take(gradient[0], 0, name).count_nonzero()) for name in stack.trained)
    if rows == 2 and int(gradient[0].count_nonzero()) != own:
        return False  # some padding would be trained
    running = narrow.state_dict()
    return all(torch.allclose(value, running[key]) for key, value in stack.member_state(0).items())


def samples_are_independent(net: nn.Module, input_shape: tuple[int, ...]) -> bool:
    """Whether a sample's output in training mode is the same whatever else is in the batch (no BatchNorm)."""
    net, x = _randomized(net).train(), _inputs(input_shape)
    with torch.no_grad():
        return torch.allclose(net(x)[:2], net(x[:2]), rtol=TOLERANCE, atol=TOLERANCE)


def _inputs(input_shape: tuple[int, ...]) -> Tensor:
    return torch.randn(SAMPLES, *input_shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def _randomized(net: nn.Module) -> nn.Module:
    net, rng = copy.deepcopy(net).double(), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            fan_in = max(parameter[0].numel(), 1) if parameter.dim() > 1 else 1
            parameter.normal_(std=fan_in**-0.5, generator=rng)
        for buffer in net.buffers():
            if buffer.is_floating_point():
                buffer.uniform_(0.5, 1.5, generator=rng)
    return net
