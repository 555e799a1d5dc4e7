"""Where a result comes from: code, versions, machine, command."""

import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from omegaconf import DictConfig

from overparam.runs.code import (
    CALLER,
    PROVENANCE,
    caller_commit,
    calling_folder,
    lab_commit,
    sources,
    uncommitted_changes,
)
from overparam.runs.summary import write_json

COMMAND = "OVERPARAM_COMMAND"  # environment variable; launchers hand the environment on
PACKAGES = ("torch", "torchvision", "lightning", "torchmetrics", "hydra-core", "omegaconf", "wandb")


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}


def command_line() -> list[str]:
    """Return what a person typed: this process's command line, or that of the sweep it works for."""
    return json.loads(os.environ.get(COMMAND) or json.dumps([Path(sys.argv[0]).name, *sys.argv[1:]]))


@contextmanager
def export_command_line() -> Iterator[None]:
    """Give processes and jobs that are started meanwhile this process's `command_line` and working directory."""
    os.environ.update({COMMAND: json.dumps(command_line()), CALLER: str(calling_folder())})
    try:
        yield
    finally:
        del os.environ[COMMAND], os.environ[CALLER]


def write_provenance(run_dir: Path, cfg: DictConfig, device: str) -> None:
    """Write where a run's result comes from: code, versions, device, host and the command line.

    Args:
        run_dir: the run's directory.
        cfg: the run's config.
        device: what it is trained on.
    """
    changes = uncommitted_changes()
    record = {
        "git_commit": lab_commit(),
        "git_dirty": bool(changes),
        "caller_commit": caller_commit(),
        "sources": sources(cfg),
        "versions": _versions(),
        "python": platform.python_version(),
        "device": device,
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "host": platform.node(),
        "platform": platform.platform(),
        "command": command_line(),
    }
    write_json(run_dir / PROVENANCE, record)
    if changes:
        (run_dir / "uncommitted.diff").write_text(changes)
