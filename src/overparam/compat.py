"""Every private or unstable API of Lightning, torch and wandb that the lab uses, each with the reason.

`tests/test_compat.py` checks that each still does what is relied on.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import lightning as L
import torch
from lightning.fabric.utilities.rank_zero import _get_rank
from lightning.pytorch.utilities.exceptions import MisconfigurationException, SIGTERMException
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from overparam.randomness import forked

__all__ = [
    "FakeTensorMode",
    "MemTracker",
    "SIGTERMException",
    "TorchDispatchMode",
    "tree_leaves",
]

# What torch's schedules keep in their state for each parameter group.
SCHEDULE_PER_GROUP = ("base_lrs", "_last_lr", "lr_lambdas")
# ... and where a schedule of schedules keeps theirs.
SCHEDULE_NESTED = "_schedulers"


def is_first_process() -> bool:
    """Return whether this process of a distributed run is the one that writes its files.

    Lightning knows the rank before it has a Trainer, from the launcher's environment, and does not say so publicly.
    """
    return (_get_rank() or 0) == 0


def count_manual_step(trainer: L.Trainer) -> None:
    """Count an optimizer step that was taken without Lightning's wrapper of the optimizer."""
    trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress.increment_by(1)


def parameter_names(function: Callable[..., Any]) -> set[str]:
    """Return the names of the parameters of a callable, "**" for any; empty for one that cannot be inspected."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return set()
    return {"**" if p.kind == p.VAR_KEYWORD else p.name for p in parameters}


def first_optimizer(configured: Any) -> torch.optim.Optimizer:
    """Return the first optimizer in any of the forms that `configure_optimizers` may return."""
    if isinstance(configured, dict):
        return configured["optimizer"]
    while isinstance(configured, list | tuple):
        configured = configured[0]
    return configured


def set_progress(checkpoint: dict[str, Any], batches: int, steps: int) -> None:
    """Write into a Trainer's checkpoint, saved at the end of a training batch, how far the loops are.

    Lightning counts batches, and counts optimizer steps in one place if it takes them and in another if the module
    does. So a run that goes on with batches of another size, or under the other kind of optimization, needs its counts
    rewritten.

    Args:
        checkpoint: what `Trainer.save_checkpoint` wrote.
        batches: batches taken of the train loader since its start.
        steps: optimizer steps taken.
    """
    loop = checkpoint["loops"]["fit_loop"]
    done = {"ready": batches, "completed": batches - 1, "started": batches, "processed": batches}
    progress = loop["epoch_loop.batch_progress"]
    for scope in ("total", "current"):
        progress[scope] |= done
    progress["is_last_batch"] = False
    taken = {"ready": steps, "completed": steps}
    automatic = loop["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]
    manual = loop["epoch_loop.manual_optimization.optim_step_progress"]
    for scope in ("total", "current"):
        manual[scope] |= taken
        automatic["step"][scope] |= taken
        automatic["zero_grad"][scope] |= {**taken, "started": steps}
    loop["epoch_loop.state_dict"]["_batches_that_stepped"] = max(steps - 1, 0)


def is_refused_by_lightning(error: Exception) -> bool:
    """Return whether an error is Lightning's word on what it was asked to do, and not a fault.

    Most are of its own class; that a metric is not there, EarlyStopping says by a RuntimeError.
    """
    return isinstance(error, MisconfigurationException) or str(error).startswith("Early stopping conditioned")


def storage_id(tensor: Tensor) -> int:
    """Return a number that tensors share if, and only if, they share their storage, also on the meta device."""
    return tensor.untyped_storage()._cdata


def has_batch_norm(net: nn.Module) -> bool:
    """Return whether some layer is a BatchNorm of any kind, whose common base class torch does not export."""
    return any(isinstance(layer, _BatchNorm) for layer in net.modules())


def has_onednn_product(like: Tensor) -> bool:
    """Return whether `onednn_product` takes tensors such as `like`, and may be the faster one."""
    return (
        like.dtype == torch.float32
        and like.device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def onednn_product(left: Tensor, right: Tensor) -> Tensor:
    """Return the product of [m, k] and the transpose of [n, k] by oneDNN's kernel, which torch.compile uses.

    torch's public functions leave float32 products to MKL, which on AMD's CPUs uses vectors of half the length:
    measured on an EPYC, 100 GFLOP/s a core against 220.
    """
    return torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], "")


@contextmanager
def fake_tensors() -> Iterator[None]:
    """Make tensors with shapes, dtypes and lifetimes, but without memory or values."""
    with FakeTensorMode(allow_non_fake_inputs=True), forked():
        yield
