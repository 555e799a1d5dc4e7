"""What a network costs: FLOPs, latency, memory."""

import statistics
import time
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.weak import WeakIdKeyDictionary

from overparam.compat import TorchDispatchMode, tree_leaves
from overparam.measures.subject import Subject
from overparam.ranges import PositiveInt


def cost(subject: Subject, batch_size: PositiveInt = 128, repeats: PositiveInt = 20) -> dict[str, float]:
    """Measure the price of one network on the device it is on.

    - `flops`: floating-point operations of a forward pass of one sample (multiply and add are two), of the
      matrix products and convolutions, by `torch.utils.flop_counter`.
    - `latency_ms`: median wall time of a forward pass of one sample, eval mode, in milliseconds;
      `throughput`: samples a second in batches of `batch_size`.
    - `step_memory_mb`: peak memory, in 2^20 bytes, of the tensors that a forward and backward pass of
      `batch_size` samples allocates: activations and gradients, parameters not counted.

    Times are of this machine at this moment: compare them only within one run of a study. Costs 2 `repeats`
    forward passes.

    Args:
        subject: what is measured.
        batch_size: samples of the batched passes.
        repeats: timed passes, after two that warm up.
    """
    net, data = subject.net, subject.train
    count = -(-batch_size // len(data))
    x = subject.inputs(data).repeat(count, *[1] * (data.x.ndim - 1))[:batch_size]
    y = data.y.repeat(count, *[1] * (data.y.ndim - 1))[:batch_size]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(x[:1])

    def step() -> None:
        parameters = [p for p in net.parameters() if p.requires_grad]
        torch.autograd.grad(subject.mean_loss(net(x), y), parameters)

    with torch.no_grad():
        one, many = _median_seconds(lambda: net(x[:1]), repeats), _median_seconds(lambda: net(x), repeats)
    return {
        "flops": float(counter.get_total_flops()),
        "latency_ms": 1e3 * one,
        "throughput": len(x) / many,
        "step_memory_mb": peak_bytes(step) / 2**20,
    }


def peak_bytes(work: Callable[[], None]) -> int:
    """Return the most bytes that tensors made during `work` held at once; the same on every device."""
    with _StorageMeter() as meter:
        work()
    return meter.peak


class _StorageMeter(TorchDispatchMode):
    """Follows every storage that an operation returns, from birth to death."""

    def __init__(self) -> None:
        super().__init__()
        self.alive, self.peak, self._seen = 0, 0, WeakIdKeyDictionary()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        for tensor in _tensors([args, kwargs or {}]):
            self._seen.setdefault(tensor.untyped_storage(), 0)  # given from outside, or counted already
        output = func(*args, **(kwargs or {}))
        for tensor in _tensors(output):
            storage = tensor.untyped_storage()
            if storage not in self._seen:
                size = storage.nbytes()
                self._seen[storage] = size
                weakref.finalize(storage, self._release, size)
                self.alive += size
                self.peak = max(self.peak, self.alive)
        return output

    def _release(self, size: int) -> None:
        self.alive -= size


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _median_seconds(work: Callable[[], Any], repeats: int) -> float:
    times = []
    for _ in range(repeats + 2):
        _wait()
        start = time.perf_counter()
        work()
        _wait()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
