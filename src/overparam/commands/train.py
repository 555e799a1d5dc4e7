"""Train one run, or with -m a sweep of runs; see configs/train.yaml and configs/experiment/."""

import logging
import sys
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from overparam.commands.start import quiet, start_hydra, tell
from overparam.compat_hydra import config_groups
from overparam.errors import ConfigError
from overparam.garbage import importing
from overparam.paths import CONFIGS
from overparam.runs.choices import record_choices
from overparam.runs.keys import refuse_hydras_folders, refuse_unknown_keys
from overparam.sweeps.jobs import PLANNED, planned_job

log = logging.getLogger(__name__)


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="train")
def run(cfg: DictConfig) -> float | None:
    """Train the composed config; return what a hyperparameter search minimizes."""
    with importing():
        from overparam.packs.job import run_job

    alone = HydraConfig.get().mode == RunMode.RUN
    try:
        if alone and HydraConfig.get().sweeper.get("max_run_seconds") is not None:
            raise ConfigError("hydra.sweeper.max_run_seconds is for the runs of a sweep: give -m")
        if alone:
            refuse_hydras_folders(HydraConfig.get())
        if not cfg.get("members"):  # what a sweep planned it has looked at
            chosen: Any = OmegaConf.to_container(HydraConfig.get().runtime.choices)
            groups = config_groups(GlobalHydra.instance().config_loader(), chosen)
            refuse_unknown_keys(cfg, groups)
            record_choices(cfg, chosen, groups)
        if alone:
            _hint_at_grid()
        return run_job(cfg, show=_settings(cfg) if alone else None)
    except Exception as error:
        if alone:
            sys.exit(tell(error))  # Hydra would print a line of its own first
        raise


def _settings(cfg: DictConfig) -> list[tuple[str, str]]:
    """Return what a terminal is told of the config: what is not as the chosen files have it."""
    if not sys.stderr.isatty():
        return []
    from overparam.runs.identity import flat_values
    from overparam.training.progress import FAMILIES, not_default

    chosen = HydraConfig.get().runtime.choices
    files = [f"{group}={chosen[group]}" for group in FAMILIES if chosen.get(group)]
    paths = [text for text in HydraConfig.get().overrides.hydra if "searchpath" in text]
    loader, name = GlobalHydra.instance().config_loader(), HydraConfig.get().job.config_name
    try:
        defaults = flat_values(loader.load_configuration(name, [*files, *paths], RunMode.RUN))
    except (HydraException, OmegaConfBaseException):  # files that need a value to be a config
        return []
    return not_default(flat_values(cfg), defaults)


def _hint_at_grid() -> None:
    hydra = HydraConfig.get()
    if grid := hydra.sweeper.get("params"):
        chosen = hydra.runtime.choices.get("experiment") or hydra.runtime.choices.get("sweep")
        what = f"{chosen} has a grid" if chosen else "there is a grid"
        log.info("%s (%s), and this is one run: add -m for all", what, ", ".join(map(str, grid)))


def main() -> int:
    """Do what the command line says; return the exit code."""
    quiet(logging.INFO)
    if sys.argv[1:2] and sys.argv[1].startswith(PLANNED):
        return start_hydra(_run_planned, lambda: None)
    return start_hydra(run)


def _run_planned() -> None:
    """Be a further process of a distributed run of a sweep, with the config that the first was given."""
    from overparam.packs.job import run_job

    cfg = planned_job(sys.argv[1:])
    assert cfg is not None
    run_job(cfg)
