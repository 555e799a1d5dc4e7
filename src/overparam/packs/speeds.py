"""How many runs of a network train fastest as one on a GPU: measured on it, once for each kind of network.

Whether a pack through vmap pays depends on the GPU: what many small kernels cost there against one large, and how it
does the grouped convolutions that vmap makes. On a CPU a rule stands, see `overparam.packs.grouping`.
"""

import hashlib
import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from overparam.locks import locked
from overparam.models.parameters import without_memory
from overparam.packs.memory import ITEM_BYTES
from overparam.packs.stack import Stack
from overparam.randomness import forked
from overparam.runs.damage import read_object, set_file_aside, what_is_wrong
from overparam.runs.summary import write_json
from overparam.training.build import Parts

log = logging.getLogger(__name__)

KEPT = ".speeds.json"  # in the folder of all sweeps
MOST = 64  # members of the largest pack that is tried
# What a pack must save of a member's time, for its numbers are no longer those of the run alone bit for bit.
GAIN = 0.05
# A pack of two launches more than two runs do, one of eight maybe less than eight: so far is looked beyond the best.
BEYOND = 8
WARM_UP, REPEATS, MOST_STEPS, SECONDS = 3, 3, 20, 0.1  # steps; steps; and seconds of a repeat, about
DTYPES = {4: torch.float32, 8: torch.float64}

clock = time.perf_counter
# Seconds that a step takes of a member, by the members of a pack; 1 is alone.
ByMembers = dict[int, float]


def gpu(accelerator: str) -> torch.device | None:
    """Return the GPU that `trainer.accelerator` means here, or None."""
    return torch.device("cuda") if accelerator != "cpu" and torch.cuda.is_available() else None


class Speeds:
    """What was measured, by kind of network: for a sweep that it is recorded of, and for any (a file), in this order.

    Args:
        recorded: what a sweep's packs were decided by, see `overparam.packs.record`; what is asked for is added.
        file: keeps what was measured for any sweep; None keeps nothing.
    """

    def __init__(self, recorded: Mapping[str, ByMembers] | None = None, file: Path | None = None) -> None:
        self.recorded, self.file = dict(recorded or {}), file

    def members(self, parts: Parts, batch: int, precision: str, device: torch.device, fit: int) -> int:
        """Return how many such runs train fastest as one, 1 if they do alone.

        Args:
            parts: what a run is made of.
            batch: samples a step.
            precision: `trainer.precision`.
            device: the GPU.
            fit: members that its memory holds; larger packs are not tried.
        """
        key = kind(parts, batch, precision, device)
        if key not in self.recorded:
            self.recorded[key] = self._kept(key, lambda: measure(parts, batch, precision, device, fit))
        return fastest(self.recorded[key])

    def _kept(self, key: str, measure: Callable[[], ByMembers]) -> ByMembers:
        if self.file is None:
            return measure()
        with locked(
            self.file.with_suffix(".lock")
        ):  # two sweeps at once would also disturb each other's clock
            kept = _read(self.file)
            if key not in kept:
                log.info("measuring how many runs train fastest together: %s", key)
                kept[key] = measure()
                write_json(self.file, kept)
            return kept[key]


def _read(file: Path) -> dict[str, ByMembers]:
    try:
        return {key: by_members(found) for key, found in read_object(file).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        set_file_aside(file, what_is_wrong(error))
        return {}


def by_members(found: Mapping[Any, Any]) -> ByMembers:
    """Return what was written as JSON, whose keys are texts; raises an error of Python's if it is something else."""
    return {int(members): float(seconds) for members, seconds in found.items()}


def kind(parts: Parts, batch: int, precision: str, device: torch.device) -> str:
    """Return a text that is equal for networks whose steps take as long on this device."""
    net = without_memory(parts.build_net)
    shape = "x".join(map(str, parts.data.input_shape))
    layers = hashlib.sha256(f"{type(net).__module__} {net!r}".encode()).hexdigest()[:12]
    name = torch.get_device_module(device).get_device_name(device)
    return f"{name}, torch {torch.__version__}, {type(net).__name__} {layers}, {batch} x {shape}, {precision}"


def fastest(seconds: ByMembers) -> int:
    """Return the least number of members whose time is within `GAIN` of the shortest.

    Example:
        >>> fastest({1: 4.0, 2: 5.0, 4: 2.0, 8: 1.02, 16: 1.0})
        8
        >>> fastest({1: 1.0, 2: 0.98})
        1
    """
    least = min(seconds.values())
    return min(members for members, each in seconds.items() if (1 - GAIN) * each <= least)


def measure(parts: Parts, batch: int, precision: str, device: torch.device, fit: int) -> ByMembers:
    """Measure the gradient of packs of 1, 2, 4, ... members, as far as `BEYOND` times the fastest."""
    dtype = DTYPES[ITEM_BYTES[precision]]
    with forked(device):
        net = parts.build_net().to(dtype)
        x = torch.randn(batch, *parts.data.input_shape, dtype=dtype).to(device)
        found: ByMembers = {}
        members = 1
        while members <= min(MOST, max(fit, 1)) and members <= BEYOND * min(
            found, key=found.__getitem__, default=1
        ):
            try:
                found[members] = _seconds(_gradient(net, members, x), device) / members
            except torch.OutOfMemoryError:
                if members == 1:
                    raise
                break
            members *= 2
    del net, x
    torch.get_device_module(device).empty_cache()  # for whoever trains, maybe another process
    return found


def _gradient(net: nn.Module, members: int, x: Tensor) -> Callable[[], object]:
    """Return what computes the gradient of so many copies of a network; its optimizer is cheaper in a pack anyway."""
    if members == 1:
        alone = net.to(x.device).train()
        numbers = [p for p in alone.parameters() if p.requires_grad]
        return lambda: torch.autograd.grad(alone(x).square().sum(), numbers, allow_unused=True)
    stack = Stack([net] * members, members).to(x.device).train()
    inputs = x.expand(members, *x.shape)
    return lambda: torch.autograd.grad(stack(inputs).square().sum(), [stack.flat])


def _seconds(step: Callable[[], object], device: torch.device) -> float:
    wait = torch.get_device_module(device).synchronize

    def timed(steps: int) -> float:
        wait()
        started = clock()
        for _ in range(steps):
            step()
        wait()
        return (clock() - started) / steps

    for _ in range(WARM_UP):
        one = timed(1)
    steps = MOST_STEPS if one <= 0 else min(max(math.floor(SECONDS / one), 1), MOST_STEPS)
    return min(timed(steps) for _ in range(REPEATS))
