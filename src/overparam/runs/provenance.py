"""Where a result comes from: code, versions, machine, command."""

import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from overparam.runs.code import (
    CALLER,
    PROVENANCE,
    as_text,
    caller_commit,
    calling_folder,
    lab_commit,
    sources,
    uncommitted_changes,
    untracked_sources,
)
from overparam.runs.damage import read_object
from overparam.runs.secrets import without_secrets_in_command, without_secrets_in_text
from overparam.runs.summary import write_json

COMMAND = "OVERPARAM_COMMAND"  # environment variable; launchers hand the environment on
PACKAGES = ("torch", "torchvision", "lightning", "torchmetrics", "hydra-core", "omegaconf", "wandb")


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}


def command_line() -> list[str]:
    """Return what a person typed: this process's command line, or that of the sweep it works for."""
    if COMMAND in os.environ:
        return json.loads(os.environ[COMMAND])
    return [as_text(word) for word in (Path(sys.argv[0]).name, *sys.argv[1:])]


@contextmanager
def export_command_line() -> Iterator[None]:
    """Give processes and jobs that are started meanwhile this process's `command_line` and working directory."""
    os.environ.update({COMMAND: json.dumps(command_line()), CALLER: str(calling_folder())})
    try:
        yield
    finally:
        del os.environ[COMMAND], os.environ[CALLER]


def resumed_at(run_dir: Path) -> list[int]:
    """Return the steps at which a run was continued, in the order in which that happened."""
    return _recorded(run_dir).get("resumed_at", [])


def record_resumption(run_dir: Path, step: int) -> None:
    """Add a step at which a run is continued to what its provenance says."""
    write_json(run_dir / PROVENANCE, {**_recorded(run_dir), "resumed_at": [*resumed_at(run_dir), step]})


def started_at(run_dir: Path) -> str | None:
    """Return when a run was begun, UTC in ISO 8601; None if that is not on record."""
    return _recorded(run_dir).get("started")


def _recorded(run_dir: Path) -> dict[str, Any]:
    try:
        return read_object(run_dir / PROVENANCE)
    except (OSError, ValueError):
        return {}


def write_provenance(run_dir: Path, cfg: DictConfig, device: str, continues: bool = False) -> None:
    """Write where a run's result comes from: code, versions, device, host and the command line.

    Args:
        run_dir: the run's directory.
        cfg: the run's config.
        device: what it is trained on.
        continues: whether the run goes on from a checkpoint, and what was before is a part of it.
    """
    files = sources(cfg)
    changes, untracked = uncommitted_changes(), untracked_sources(files)
    lab, caller = lab_commit(), caller_commit()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    record = {
        "started": (started_at(run_dir) if continues else None) or now,
        "git_commit": lab.text or None,
        "git_dirty": bool(changes or untracked),
        "caller_commit": (caller and caller.text) or None,
        # Why there is no commit; the caller's is null without a reason where it is the lab's.
        "git_problem": {"lab": lab.problem, "caller": caller and caller.problem},
        "untracked": untracked,
        "sources": files,
        "versions": _versions(),
        "python": platform.python_version(),
        "device": device,
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "host": platform.node(),
        "platform": platform.platform(),
        "command": without_secrets_in_command(command_line()),
        "resumed_at": resumed_at(run_dir) if continues else [],
        "continued_from": OmegaConf.to_container(start) if (start := cfg.get("continue_from")) else None,
    }
    write_json(run_dir / PROVENANCE, record)
    if changes:
        text = without_secrets_in_text(changes.decode(errors="surrogateescape"))
        (run_dir / "uncommitted.diff").write_bytes(text.encode(errors="surrogateescape"))
