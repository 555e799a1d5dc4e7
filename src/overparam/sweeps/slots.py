"""Where runs fit on one machine: device slots."""

import os
from collections.abc import Sequence

from overparam.errors import ConfigError, counted


def gpu_slots(devices: Sequence[int | str], runs_per_gpu: float) -> list[str]:
    """Return what CUDA_VISIBLE_DEVICES is in each slot, such that runs started first spread over all GPUs.

    Args:
        devices: the GPUs' ids.
        runs_per_gpu: runs that share one GPU; 1/g, such as 0.5, gives each run g GPUs.

    Example:
        >>> gpu_slots([0, 1], 2)
        ['0', '1', '0', '1']
        >>> gpu_slots([0, 1, 2, 3], 0.5)
        ['0,1', '2,3']

    Raises:
        ConfigError: see `gpus_per_run`; and if no slot remains.
    """
    size = gpus_per_run(runs_per_gpu)
    if runs_per_gpu >= 1:
        return [str(device) for _ in range(int(runs_per_gpu)) for device in devices]
    if size > len(devices):
        raise ConfigError(
            f"hydra.launcher.runs_per_gpu={runs_per_gpu:g} gives a run {counted(size, 'GPU')}, "
            f"and there are {len(devices)}"
        )
    groups = [devices[i : i + size] for i in range(0, len(devices) - size + 1, size)]
    return [",".join(str(device) for device in group) for group in groups]


def gpus_per_run(runs_per_gpu: float) -> int:
    """Return how many GPUs a run has, of which it may share the one.

    Raises:
        ConfigError: if `runs_per_gpu` is neither a positive integer nor one over an integer.
    """
    size = round(1 / runs_per_gpu) if 0 < runs_per_gpu < 1 else 1
    if runs_per_gpu > 0 and (
        runs_per_gpu % 1 == 0 if runs_per_gpu >= 1 else abs(size * runs_per_gpu - 1) <= 0.01
    ):
        return size
    raise ConfigError(
        f"hydra.launcher.runs_per_gpu must be 1, 2, ... runs on a GPU, or 0.5, 0.25, ... for runs on "
        f"2, 4, ... GPUs each, got {runs_per_gpu:g}"
    )


def visible_gpus() -> list[str]:
    """Return the ids of the GPUs this process may use."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    import torch

    return [str(i) for i in range(torch.cuda.device_count())]


def cpu_count() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
