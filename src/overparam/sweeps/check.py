"""What is wrong with a sweep, said in one line before any of its runs starts."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from overparam.errors import ConfigError, counted
from overparam.garbage import importing
from overparam.sweeps.grid import Run
from overparam.sweeps.offer import Offer

log = logging.getLogger(__name__)

MANY = 300  # runs whose check takes seconds


def check(runs: Sequence[Run], offer: Offer) -> dict[Path, Any]:
    """Return what each run is made of, by its directory; runs that differ only in seeds share it.

    Raises:
        ConfigError: if one of them could not be trained as asked.
    """
    with importing():
        from overparam.training.build import assemble

    alike: dict[Any, list[Run]] = {}
    for run in runs:
        alike.setdefault(run.kind, []).append(run)
    cfgs = [same[0].cfg for same in alike.values()]
    if reason := does_not_fit(cfgs, offer):
        raise ConfigError(reason)
    if len(cfgs) >= MANY:
        log.info("checking %s that differ in more than their seeds", counted(len(cfgs), "run"))
    parts = [assemble(cfg) for cfg in cfgs]
    for part in parts:
        part.require_data()
    return {run.directory: part for same, part in zip(alike.values(), parts, strict=True) for run in same}


def check_limit(seconds: float | None, offer: Offer) -> None:
    """Raise `ConfigError` unless the launcher can hold runs to a time limit, if there is one."""
    if seconds is None:
        return
    if isinstance(seconds, bool | str) or not seconds > 0:
        raise ConfigError(f"hydra.sweeper.max_run_seconds must be a positive number or null, got {seconds}")
    if not offer.limits_time:
        raise ConfigError(
            "hydra.sweeper.max_run_seconds needs a launcher that gives each run a process of its own: "
            "hydra/launcher=local, ray_cluster or slurm"
        )


def does_not_fit(cfgs: Sequence[DictConfig], offer: Offer) -> str | None:
    """Return why the runs do not fit what the launcher has for them, or None."""
    if offer.obstacle is not None:
        return offer.obstacle
    for cfg in cfgs:
        devices = cfg.trainer.devices
        processes = (devices if isinstance(devices, int) else 1) * cfg.trainer.get("num_nodes", 1)
        if processes != offer.processes_per_run:
            return (
                f"trainer.devices={devices} trains one run on {processes} devices, and this sweep gives each run "
                f"{offer.processes_per_run}: start the run without -m, or see configs/trainer/ddp.yaml for sweeps of "
                f"such runs"
            )
    return None


def hydra_knobs(plugin: Callable[..., Any], knobs: dict[str, Any], section: str) -> dict[str, Any]:
    """Return the knobs of a launcher or sweeper as its annotations say them.

    Args:
        plugin: its class.
        knobs: what it was given.
        section: "launcher" or "sweeper".

    Raises:
        ConfigError: if a value has the wrong type or range.
    """
    from overparam.training.knobs import typed

    return typed(plugin, knobs, prefix=f"hydra.{section}.")
