"""The loggers that a run's config asks for."""

import logging
import shutil
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from overparam import compat
from overparam.errors import ConfigError
from overparam.loggers.synced import is_synced
from overparam.loggers.wandb import wandb_run
from overparam.loggers.wandb_start import asked_by_agent, has_key
from overparam.runs.damage import CONFIG, damage
from overparam.runs.summary import WEIGHTS, read_summary
from overparam.training.build import nodes
from overparam.training.instantiate import build
from overparam.training.knobs import target

log = logging.getLogger(__name__)


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


def send_rest(run_dir: Path) -> bool:
    """Send W&B what it lacks of a finished run, and nothing that it has; return whether there was anything to send.

    `wandb sync` sends all rows of a run of which the server has some already, and those are there twice.

    Raises:
        ConfigError: if W&B has no key here, or cannot be reached.
    """
    files = [*run_dir.glob("wandb/*run-*/run-*.wandb")]
    if all(map(is_synced, files)):
        return False
    if said := damage(run_dir):
        log.warning("%s: %s; nothing of it is sent until the same command trains it", run_dir, said)
        return False
    if (finished := read_summary(run_dir)) is None:
        return False
    if not has_key():
        raise ConfigError("W&B has no key: `wandb login` or WANDB_API_KEY gives it one")
    cfg: Any = OmegaConf.load(run_dir / CONFIG)
    settings: Any = OmegaConf.to_container(cfg)
    cfg.paths.run = str(run_dir)
    for name, node in nodes(cfg, "logger").items():
        if target(name, node) is wandb_run:
            node.mode = "online"
            logger = open_logger(cfg, settings, name, node, finished["steps"])
            run = logger.experiment
            logger.close(finished, run_dir / WEIGHTS)
            if run.offline:
                shutil.rmtree(Path(run.dir).parent)  # what it would have sent stands beside it
            if run.offline or run.disabled:
                raise ConfigError("W&B cannot be reached: nothing was sent")
    return True


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
