"""Where a result comes from: code, versions, machine, command."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
COMMAND = "OVERPARAM_COMMAND"  # environment variable; launchers hand the environment on
PACKAGES = ("torch", "torchvision", "lightning", "torchmetrics", "hydra-core", "omegaconf", "wandb")


@lru_cache(maxsize=1)
def _git_state() -> tuple[str | None, str]:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    try:
        return git("rev-parse", "HEAD").strip(), git("diff", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return None, ""


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}


def command_line() -> list[str]:
    """Return what a person typed: this process's command line, or that of the sweep it works for."""
    return json.loads(os.environ.get(COMMAND) or json.dumps([Path(sys.argv[0]).name, *sys.argv[1:]]))


@contextmanager
def workers_know_the_command() -> Iterator[None]:
    """Give processes and jobs that are started meanwhile this process's `command_line`."""
    os.environ[COMMAND] = json.dumps(command_line())
    try:
        yield
    finally:
        del os.environ[COMMAND]


def provenance(device: str) -> dict[str, Any]:
    """Return commit, versions, device, host and the command line behind this process."""
    commit, diff = _git_state()
    return {
        "git_commit": commit,
        "git_dirty": bool(diff),
        "versions": _versions(),
        "python": platform.python_version(),
        "device": device,
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "host": platform.node(),
        "platform": platform.platform(),
        "command": command_line(),
    }


def uncommitted_changes() -> str:
    """Return the diff of tracked files against the commit; empty if there is none."""
    return _git_state()[1]
