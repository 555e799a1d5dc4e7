"""A run that goes on where a shorter one ended: with its weights, optimizer, schedule, batches and metrics."""

import hashlib
import logging
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from overparam.errors import ConfigError
from overparam.loggers.metrics_table import MetricsTable
from overparam.runs.damage import what_is_wrong
from overparam.runs.metrics import read_metrics
from overparam.training.evaluation import log_spaced_steps

log = logging.getLogger(__name__)

TRAINED = ("global_step", "state_dict", "optimizer_states", "lr_schedulers")  # not what a clock has counted


def state_digest(path: Path) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of what a final state holds of network, optimizer and schedule.

    Raises:
        ConfigError: if it cannot be read.
    """
    try:
        return _digest(path, path.stat().st_mtime_ns)
    except Exception as error:  # torch has many for a file that is no checkpoint
        raise ConfigError(f"continue_from: {path} is damaged: {what_is_wrong(error)}") from error


def begin(cfg: DictConfig, run_dir: Path, is_first: bool) -> int:
    """Return the step at which a run that continues another begins, and take over that one's metrics; else 0.

    The metrics are then those of a run that was as long from the start: the evaluation at the shorter one's end is left
    out unless it is one of the longer one's.

    Args:
        cfg: the run's config, resolved.
        run_dir: the run's directory.
        is_first: whether this is the first of the run's processes, the one that writes.

    Raises:
        ConfigError: if the state is gone, or is another than when the run was named.
    """
    start = cfg.get("continue_from")
    if not start:
        return 0
    path = Path(start.state)
    if not path.exists() or state_digest(path) != start.sha256:
        raise ConfigError(f"continue_from: {path} is gone, or is not what this run continues")
    step: int = torch.load(path, map_location="cpu", weights_only=True)["global_step"]
    if is_first:
        log.info("%s continues %s from step %d", run_dir.name, start.run, step)
        evaluated = log_spaced_steps(cfg.trainer.max_steps, cfg.evaluation.per_decade)
        table = MetricsTable(run_dir, step=0)
        for row in read_metrics(path.parent):
            if row["step"] < step or step in evaluated:
                table.log_metrics({key: value for key, value in row.items() if key != "step"}, row["step"])
    return step


@lru_cache(maxsize=4096)
def _digest(path: Path, modified: int) -> str:
    state = torch.load(path, map_location="cpu", weights_only=True)
    content = hashlib.sha256()
    _add({key: state[key] for key in TRAINED}, content)
    return content.hexdigest()[:16]


def _add(value: Any, content: Any) -> None:
    if isinstance(value, Mapping):
        for key in sorted(value, key=str):
            content.update(f"{key}:".encode())
            _add(value[key], content)
    elif isinstance(value, list | tuple):
        for item in value:
            _add(item, content)
    elif isinstance(value, torch.Tensor):
        content.update(f"{value.dtype}{list(value.shape)}".encode())
        content.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    else:
        content.update(f"{value!r};".encode())
