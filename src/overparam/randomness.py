"""Named random streams: every draw of a run comes from a stream derived from (seed, name)."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

CPU = torch.device("cpu")


def derive_seed(seed: int, *names: str | int) -> int:
    """Return the 63-bit seed of the stream called `names` under `seed`.

    Streams with different names, or different seeds, are independent: drawing more from one, or adding a
    new one, changes no other. 0 is a seed like any other.

    Example:
        >>> derive_seed(0, "label_noise") == derive_seed(0, "subset")
        False
    """
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int) -> torch.Generator:
    """Return a CPU generator at the start of the stream `names` under `seed` (see `derive_seed`)."""
    return torch.Generator().manual_seed(derive_seed(seed, *names))


@contextmanager
def forked(device: torch.device = CPU) -> Iterator[None]:
    """Leave torch's global generators of the CPU and of `device` as they were, and do not look at any other."""
    own = [device] if _has_generator(device) else []
    with torch.random.fork_rng(own, device_type=device.type if own else "cuda"):
        yield


@contextmanager
def drawing(seed: int, device: torch.device = CPU) -> Iterator[None]:
    """Draw from torch's global generators of the CPU and of `device`, begun at `seed`, and leave them as they were.

    With the CPU alone no other device's generator is begun anew, which `torch.manual_seed` would do: the dropout of a
    network that is being trained on a GPU draws from it.
    """
    with forked(device):
        if _has_generator(device):
            torch.manual_seed(seed)
        else:
            torch.default_generator.manual_seed(seed)
        yield


def generator_states(device: torch.device) -> dict[str, Tensor]:
    """Return the states of the global generators that a run on `device` draws from, by the type of their device."""
    states = {"cpu": torch.get_rng_state()}
    if _has_generator(device):
        states[device.type] = torch.get_device_module(device).get_rng_state(device)
    return states


def restore_generators(device: torch.device, states: Mapping[str, Any]) -> None:
    """Set the global generators that a run on `device` draws from, as far as `states` has them."""
    torch.set_rng_state(states["cpu"])
    if _has_generator(device) and isinstance(states.get(device.type), Tensor):
        torch.get_device_module(device).set_rng_state(states[device.type], device)


def _has_generator(device: torch.device) -> bool:
    return device.type not in ("cpu", "mps")  # torch keeps no generator of MPS by device
