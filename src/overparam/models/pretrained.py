"""Weights of one network as the start of another."""

import hashlib
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn


def load_pretrained(net: nn.Module, path: Path) -> None:
    """Copy the state of a trained network into `net`, all but its last layer, whose draw stays.

    The last layer is the one whose parameters stand last: the readout, which belongs to a task. Everything
    else, BatchNorm statistics included, must be there in the same shape.

    Args:
        net: a network; on the meta device nothing is copied, only checked.
        path: a state dict as `torch.save` writes it. Nothing but tensors is read from it.

    Raises:
        ValueError: if the file is no state dict, or that of a network of another shape.
    """
    state = _kept(path, path.stat().st_mtime_ns)
    own = net.state_dict()
    last = list(dict(net.named_parameters()))[-1].rpartition(".")[0]
    wanted = {name: value for name, value in own.items() if name.rpartition(".")[0] != last}
    for name, value in wanted.items():
        if name not in state:
            raise ValueError(f"{path} has no {name}: it is of another network")
        if state[name].shape != value.shape:
            shapes = f"{name} as {list(state[name].shape)}, and this network has {list(value.shape)}"
            raise ValueError(f"{path} has {shapes}: it is of another network")
    if extra := [name for name in state if name not in own]:
        raise ValueError(f"{path} has {extra[0]}, which this network has not")
    with torch.no_grad():
        for name, value in wanted.items():
            value.copy_(state[name])


def digest(path: Path) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of a file's content."""
    return _digest(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4096)
def _digest(path: Path, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a state dict as `torch.save` writes it; nothing else is read, and nothing executed.

    Raises:
        ValueError: if the file is no state dict.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch has many for a file that is no state dict
        raise ValueError(f"{path} holds no weights: {type(error).__name__}") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path} holds no state dict")
    return state


@lru_cache(maxsize=8)
def _kept(path: Path, modified: int) -> dict[str, Tensor]:
    return read_weights(path)
