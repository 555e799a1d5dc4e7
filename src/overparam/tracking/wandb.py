"""Weights & Biases: one W&B run a run, same id, same names, never in the way of training."""

import logging
import os
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch.loggers import WandbLogger

log = logging.getLogger(__name__)

Mode = Literal["auto", "online", "offline", "disabled"]


def has_key() -> bool:
    """Whether W&B has credentials on this machine. Asks no one and no server."""
    import wandb

    if os.environ.get("WANDB_API_KEY"):
        return True
    return bool(wandb.login(prompt=False, verify=False))


def wandb_run(
    *,
    run_dir: Path,
    identity: str,
    sweep: str,
    settings: dict[str, Any],
    project: str = "overparam",
    entity: str | None = None,
    mode: Mode = "auto",
    tags: list[str] | None = None,
    notes: str | None = None,
) -> WandbLogger:
    """Start, or continue, the W&B run of one training run.

    Args:
        run_dir: the run's directory; W&B's files go to `wandb/` in it.
        identity: the run's identity, used as W&B's id, so that a resumed run continues its own W&B run.
        sweep: the sweep's name, W&B's group.
        settings: the resolved config.
        project: W&B project.
        entity: W&B user or team; None is the account's default.
        mode: "auto" is what WANDB_MODE says, else online if there is a key and offline if not.
        tags: W&B tags.
        notes: W&B notes.
    """
    import wandb

    if mode == "auto":
        mode = os.environ.get("WANDB_MODE") or ("online" if has_key() else "offline")  # type: ignore[assignment]
    arguments: dict[str, Any] = {
        "project": project,
        "entity": entity,
        "id": identity,
        "name": identity,
        "group": sweep,
        "job_type": "train",
        "tags": tags,
        "notes": notes,
        "config": settings,
        "dir": run_dir,
        "resume": "allow",
        # Output and code are in the run directory already; capturing them again costs time in every run.
        "settings": wandb.Settings(console="off", silent=True, x_disable_stats=True, disable_git=True),
    }
    try:
        experiment = wandb.init(mode=mode, **arguments)
    except wandb.Error as error:
        log.warning("W&B cannot be reached (%s); logging offline, `wandb sync` uploads it later", error)
        experiment = wandb.init(mode="offline", **arguments)
    experiment.define_metric("*", step_metric="trainer/global_step")
    return WandbLogger(experiment=experiment)
