"""CIFAR's batches. They are pickles, which may name any function to be called: these are read without calling one."""

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor


def read_batches(files: Sequence[Path]) -> tuple[Tensor, Tensor]:
    """Return the images [N, 3, 32, 32], uint8, and the labels [N] of batches end to end.

    Raises:
        UnpicklingError: if a file holds anything but dictionaries, lists, texts, numbers and arrays of numbers.
    """
    images, labels = [], []
    for file in files:
        with file.open("rb") as stream:
            batch = ArrayUnpickler(stream, encoding="latin1").load()
        images.append(torch.from_numpy(_plain(batch["data"])).view(-1, 3, 32, 32))
        found = batch["labels"] if "labels" in batch else batch["fine_labels"]
        labels.append(torch.from_numpy(np.asarray(_plain(found), np.int64)))
    return torch.cat(images), torch.cat(labels)


class ArrayUnpickler(pickle.Unpickler):
    """Takes the names by which NumPy 1 and 2 pickle arrays for functions of this file, and refuses any other."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """Return what stands for `module.name`."""
        known = f"{module.removeprefix('numpy.core.').removeprefix('numpy._core.')}.{name}"
        if known not in STANDS_FOR:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is no part of an array of numbers")
        return STANDS_FOR[known]


class _Numbers:
    """A dtype: `numpy.dtype(code)`, then its state, of which the byte order counts."""

    def __init__(self, code: str, *_: Any) -> None:
        self.dtype = np.dtype(str(code))
        if self.dtype.kind not in "biuf":
            raise pickle.UnpicklingError(f"it holds an array of {code}, not of numbers")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """An array: empty at first, then filled by its state."""

    def __init__(self, *_: Any) -> None:
        self.values = np.empty(0)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, numbers, is_fortran, content = state
        self.values = _from_bytes(content, numbers, shape, "F" if is_fortran else "C").values


def _from_bytes(content: Any, numbers: _Numbers, shape: Any, order: Any) -> _Array:
    # A text of Python 2 was bytes; a writable copy, for torch.
    held = bytearray(content.encode("latin1") if isinstance(content, str) else content)
    array = _Array()
    array.values = np.frombuffer(held, numbers.dtype).reshape(shape, order=order)
    return array


def _scalar(numbers: _Numbers, content: Any) -> Any:
    return _from_bytes(content, numbers, (1,), "C").values[0]


def _encode(text: str, *_: Any) -> bytes:
    return text.encode("latin1")


def _plain(value: Any) -> Any:
    return value.values if isinstance(value, _Array) else value


STANDS_FOR: dict[str, Callable[..., Any]] = {
    "multiarray._reconstruct": _Array,
    "numpy.ndarray": _Array,
    "numpy.dtype": _Numbers,
    "multiarray.scalar": _scalar,
    "numeric._frombuffer": _from_bytes,
    "_codecs.encode": _encode,  # how Python 3 writes bytes for Python 2
}
