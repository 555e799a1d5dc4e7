"""Where a result comes from: code, versions, machine, command."""

import os
import platform
import subprocess
import sys
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
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


def provenance(device: str) -> dict[str, Any]:
    """Return commit, versions, device, host and command line of this process."""
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
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def uncommitted_changes() -> str:
    """Return the diff of tracked files against the commit; empty if there is none."""
    return _git_state()[1]
