"""A pretend accelerator, "pretend:0": the CPU's numbers behind a device of its own.

A tensor of this device is a shell, `PretendTensor`, around a tensor of the CPU. Every operation on it comes to
`_run`, which looks at what it is given, counts, and computes on the CPU. So without a GPU it is seen

* where a tensor of the host meets one of the device, and where a generator of the CPU draws on the device: as with
  CUDA that is an error;
* where the host would wait for the device: values read (`.item()`, `bool()`, `.cpu()`, boolean masks), and copies to
  the device that are not from pinned memory with `non_blocking=True`;
* how many kernels a piece of code would launch;
* whether the device's own random generator is kept, restored and left alone.

It does not see what only CUDA has: streams and the order of kernels in them, real pinned memory, the caching allocator,
tensor cores, CUDA's own rounding and kernels that are not deterministic, several devices, NCCL. What CUDA fuses
otherwise than the CPU it counts otherwise.

    install()
    with watch() as seen:
        loss.backward()
    seen.launches, seen.waits
"""

import threading
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
import torch
from lightning.pytorch.accelerators import Accelerator, AcceleratorRegistry
from lightning.pytorch.strategies import SingleDeviceStrategy, StrategyRegistry
from torch.optim.optimizer import _foreach_supported_types
from torch.utils import backend_registration

if not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"):
    pytest.skip(f"torch {torch.__version__} has no devices written in Python", allow_module_level=True)

NAME = "pretend"
# Of an operation that hands out values: CUDA has to wait for them, or for the size of the result.
READS = ("_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "_unique2", "bincount")
COPIES = ("_to_copy", "copy_")
INDEXED = ("index", "index_put_", "_index_put_impl_", "_unsafe_index")


@dataclass
class Seen:
    """What happened on the device."""

    launches: Counter[str] = field(default_factory=Counter)  # by operation
    waits: Counter[str] = field(default_factory=Counter)  # by what the host waited for, and from where


_watchers: list[Seen] = []
refused_types: set[torch.dtype] = set()  # of which no tensor can be on the device, as float64 on a Mac's GPU
_generator = torch.Generator()


@contextmanager
def watch() -> Iterator[Seen]:
    """Count what happens on the device."""
    seen = Seen()
    _watchers.append(seen)
    try:
        yield seen
    finally:
        _watchers.remove(seen)


class PretendTensor(torch.Tensor):
    raw: torch.Tensor

    @staticmethod
    def __new__(cls, raw: torch.Tensor) -> "PretendTensor":
        like: dict[str, Any] = {"strides": raw.stride(), "storage_offset": raw.storage_offset()}
        like |= {"dtype": raw.dtype, "layout": raw.layout, "device": f"{NAME}:0"}
        if raw.dtype in refused_types:
            raise TypeError(f"{NAME}:0 has no {raw.dtype}")
        tensor = torch.Tensor._make_wrapper_subclass(cls, raw.size(), **like)
        tensor.raw = raw
        return tensor

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(op, *args, **(kwargs or {}))

    @property
    def data(self) -> torch.Tensor:  # type: ignore[override]
        return self.detach()

    @data.setter
    def data(self, new: "PretendTensor") -> None:  # what is around it is replaced by torch
        torch.Tensor.data.__set__(self, new)  # type: ignore[attr-defined]
        self.raw = new.raw

    def tolist(self) -> Any:
        _wait("tolist")
        return self.raw.tolist()

    def __repr__(self, **options: Any) -> str:
        return f"PretendTensor({self.raw!r})"

    def data_ptr(self) -> int:
        return self.raw.data_ptr()

    def __deepcopy__(self, memo: Any) -> torch.Tensor:
        copied: torch.Tensor = self.detach().clone()
        return torch.nn.Parameter(copied, self.requires_grad) if hasattr(self, "_is_param") else copied

    def __reduce_ex__(self, protocol: Any) -> Any:
        _wait("save")
        return self.raw.__reduce_ex__(protocol)


def _wait(what: str) -> None:
    if not _watchers:
        return
    frames = [
        f for f in traceback.extract_stack() if "overparam" in f.filename and "/tests/" not in f.filename
    ]
    place = f" at {frames[-1].filename.rpartition('overparam/')[2]}:{frames[-1].lineno}" if frames else ""
    for seen in _watchers:
        seen.waits[what + place] += 1


def _on_device(x: Any) -> bool:
    return isinstance(x, PretendTensor)


def _raw(x: Any) -> Any:
    if isinstance(x, PretendTensor):
        return x.raw
    if isinstance(x, list | tuple):
        return type(x)(map(_raw, x))
    return torch.device("cpu") if isinstance(x, torch.device) and x.type == NAME else x


def _leaves(values: Iterable[Any]) -> list[Any]:
    found = []
    for x in values:
        found += _leaves(x) if isinstance(x, list | tuple) else [x]
    return found


@cache
def _is_view(op: Any) -> bool:
    """Whether an operation only looks at memory in another way, or takes some: nothing is launched."""
    shares = [r.alias_info is not None and not r.alias_info.is_write for r in op._schema.returns]
    return any(shares) or op._schema.name.split("::")[1] in (
        "empty",
        "empty_strided",
        "empty_like",
        "_unsafe_view",
    )


@cache
def _written(op: Any) -> list[tuple[int, str]]:
    arguments = enumerate(op._schema.arguments)
    return [(i, a.name) for i, a in arguments if a.alias_info is not None and a.alias_info.is_write]


def _run(op: Any, *args: Any, **kwargs: Any) -> Any:
    name = op._schema.name.split("::")[1]
    given = _leaves([*args, *kwargs.values()])
    targets = _leaves(args[i] if i < len(args) else kwargs.get(key) for i, key in _written(op))
    _check(op, name, args, kwargs, given, targets)
    for seen in _watchers:
        if not _is_view(op):
            seen.launches[name] += 1
    with _device_generator(torch.Tag.nondeterministic_seeded in op.tags):
        result = op(*map(_raw, args), **{key: _raw(value) for key, value in kwargs.items()})
    device = kwargs.get("device")
    if name == "_to_copy" and device is not None and device.type == "cpu":
        return result
    if name == "copy_" and not _on_device(args[0]):
        return args[0]
    owners = {id(x.raw): x for x in targets if _on_device(x)}

    def back(x: Any) -> Any:
        if isinstance(x, list | tuple):
            return type(x)(map(back, x))
        if not isinstance(x, torch.Tensor):
            return x
        if x._is_zerotensor():  # forward-mode differentiation's zeros, without memory
            x = torch.zeros(x.shape, dtype=x.dtype)
        return owners[id(x)] if id(x) in owners else PretendTensor(x)

    return back(result)


def _check(op: Any, name: str, args: Any, kwargs: Any, given: list[Any], targets: list[Any]) -> None:
    """Refuse what CUDA refuses, and note where it would have the host wait."""
    if any(isinstance(x, torch.Generator) for x in given):
        raise RuntimeError(f"{name}: a generator of the CPU cannot draw on {NAME}:0")
    if name in COPIES:
        source = args[1] if name == "copy_" else args[0]
        waits_not = kwargs.get("non_blocking") or (name == "copy_" and len(args) > 2 and args[2])
        goes = (
            _on_device(args[0])
            if name == "copy_"
            else torch.device(kwargs.get("device") or NAME).type == NAME
        )
        if not _on_device(source) and not (waits_not and hasattr(source, "is_pretend_pinned")):
            _wait("copy to the device")
        elif _on_device(source) and not goes:
            _wait("copy to the host")
        return
    if name in READS:
        _wait(name)
    indices = list(args[1]) if name in INDEXED else []
    if any(x is not None and (not _on_device(x) or x.dtype == torch.bool) for x in indices):
        _wait("index by a mask, or from the host")
    for x in given:
        if not isinstance(x, torch.Tensor) or _on_device(x):
            continue
        is_index = any(x is index for index in indices)
        is_number = x.dim() == 0 and torch.Tag.pointwise in op.tags and not any(x is t for t in targets)
        if not (is_index or is_number):
            raise RuntimeError(f"{name}: a tensor {tuple(x.shape)} of the {x.device} met one of {NAME}:0")


@contextmanager
def _device_generator(draws: bool) -> Iterator[None]:
    """Have torch's global generator be that of the device meanwhile."""
    if not draws:
        yield
        return
    host = torch.default_generator.get_state()
    torch.default_generator.set_state(_generator.get_state())
    yield
    _generator.set_state(torch.default_generator.get_state())
    torch.default_generator.set_state(host)


class _Module:
    """What torch looks for in `torch.pretend`."""

    def is_initialized(self) -> bool:
        return True

    def is_available(self) -> bool:
        return True

    def current_device(self) -> int:
        return 0

    def device_count(self) -> int:
        return 1

    def get_device_name(self, device: Any = 0) -> str:
        return "Pretend 1"

    def empty_cache(self) -> None:
        pass

    def synchronize(self, device: Any = 0) -> None:
        _wait("synchronize")

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        _generator.manual_seed(seed)

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]

    def get_rng_state(self, device: Any = 0) -> torch.Tensor:
        return _generator.get_state()

    def set_rng_state(self, state: torch.Tensor, device: Any = 0) -> None:
        _generator.set_state(state)


class PretendAccelerator(Accelerator):
    """For Lightning: `accelerator="pretend", strategy="pretend"`."""

    def setup_device(self, device: torch.device) -> None:
        pass

    def teardown(self) -> None:
        pass

    def get_device_stats(self, device: Any) -> dict[str, Any]:
        return {}

    @staticmethod
    def parse_devices(devices: Any) -> int:
        return int(devices)

    @staticmethod
    def get_parallel_devices(devices: int) -> list[torch.device]:
        return [torch.device(NAME, i) for i in range(devices)]

    @staticmethod
    def auto_device_count() -> int:
        return 1

    @staticmethod
    def is_available() -> bool:
        return True

    @staticmethod
    def name() -> str:
        return NAME


_lock = threading.Lock()
_library: Any = None


def install() -> None:
    """Make the device; once a process, which keeps it."""
    global _library
    with _lock:
        if _library is not None:
            return
        backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=_Module())
        _library = torch.library.Library("_", "IMPL")
        _library.fallback(_run, "PrivateUse1")
    make = torch.tensor

    def pin_memory(tensor: torch.Tensor, device: Any = None) -> torch.Tensor:
        pinned: Any = tensor.clone()
        pinned.is_pretend_pinned = True
        return pinned

    def tensor(data: Any, *, device: Any = None, **options: Any) -> torch.Tensor:
        made = make(data, **options)  # of a device that is a Python class, torch.tensor makes none itself
        return made if device is None else made.to(device)

    torch.Tensor.pin_memory, torch.tensor = pin_memory, tensor  # type: ignore[method-assign]
    _foreach_supported_types.append(PretendTensor)  # optimizers do as with CUDA
    AcceleratorRegistry.register(NAME, PretendAccelerator)
    StrategyRegistry.register(NAME, SingleDeviceStrategy, device=f"{NAME}:0")
