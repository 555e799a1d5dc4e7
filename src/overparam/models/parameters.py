"""Counting trainable parameters, and choosing the width that gives a wanted count."""

from collections.abc import Callable
from functools import cache
from typing import TypeVar

import torch
from torch import nn

from overparam.errors import ConfigError
from overparam.randomness import forked

T = TypeVar("T")


def without_memory(build: Callable[[], T]) -> T:
    """Return what `build` makes, on the meta device, where nothing is allocated and no random number drawn.

    A constructor that reads a tensor's value, as some do, cannot run there: then it is made in memory.
    """
    try:
        with torch.device("meta"):
            return build()
    except (RuntimeError, ConfigError) as error:
        if isinstance(error, ConfigError) and not isinstance(error.__cause__, RuntimeError):
            raise  # a mistake of the config's
        with forked():
            return build()


def count_parameters(module: nn.Module) -> int:
    """P, the number of trainable scalars: frozen parameters and buffers (BatchNorm statistics) excluded."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def width_for_params(build: Callable[[int], nn.Module], target: int) -> int:
    """The width whose trainable-parameter count P(width) is nearest to `target`; of two as near, the smaller.

    Bisects on the meta device where it can, so nothing is allocated, however large the network, and no random number is
    drawn, so a seeded initialization afterwards is the same with and without this call.

        >>> width_for_params(lambda width: nn.Linear(4, width), 13)  # P = 5 width
        3

    Args:
        build: width -> network, with P strictly increasing in the width.
        target: the wanted P, at least 1. Below P(1) the answer is 1.

    Raises:
        ValueError: if `target` is not positive, or P does not grow with the width.
    """
    if target < 1:
        raise ValueError(f"target must be a positive number of parameters, got {target}")

    @cache
    def count(width: int) -> int:
        return count_parameters(without_memory(lambda: build(width)))

    high = 1
    while count(high) < target:
        high *= 2
        if count(high) <= count(high // 2):
            raise ValueError(f"the parameter count does not grow with the width: {count(high)} throughout")
    low = high // 2  # P(low) < target <= P(high); 0 stands for "below width 1" and is never built
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < target else (low, middle)
    if low == 0:
        return high
    return low if target - count(low) <= count(high) - target else high
