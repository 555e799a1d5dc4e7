"""The loggers that a run's config asks for."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from overparam import compat
from overparam.loggers.wandb import wandb_run
from overparam.loggers.wandb_start import asked_by_agent
from overparam.runs.summary import WEIGHTS
from overparam.training.build import nodes
from overparam.training.instantiate import build
from overparam.training.knobs import target


def open_logger(cfg: DictConfig, settings: dict[str, Any], name: str, node: DictConfig, step: int) -> Any:
    """Return the logger that a node describes, for a run that begins or continues at `step`."""
    run_dir = Path(cfg.paths.run)
    offered = {"run_dir": run_dir, "identity": run_dir.name, "sweep": cfg.name, "settings": settings}
    offered["step"] = step
    asked = (compat.parameter_names(target(name, node)) & offered.keys()) - node.keys()
    logger = build(name, node, **{key: offered[key] for key in asked})
    if "settings" not in asked:
        logger.log_hyperparams(settings)
    return logger


def log_for_agent(cfg: DictConfig, finished: dict[str, Any]) -> None:
    """Log a run that was finished before as the run of the W&B agent that asks for it, if one does.

    The agent's sweep waits for the metric of each run that it starts.
    """
    if not asked_by_agent():
        return
    settings: Any = OmegaConf.to_container(cfg, resolve=True)
    for name, node in nodes(cfg, "logger").items():
        if target(name, node) is wandb_run:
            logger = open_logger(cfg, settings, name, node, finished["steps"])
            logger.close(finished, Path(cfg.paths.run) / WEIGHTS)
