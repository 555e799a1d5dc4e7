"""Say what a command line of overparam-train would run, and what it would cost; nothing is trained.

overparam-plan -m experiment=model_wise plan.json=plan.json
overparam-plan --sizes    parameters, FLOPs, memory, depth and width of well-known networks
overparam-plan -m experiment=model_wise sweep=threshold    trains what finds the threshold, and plans a grid around it
"""

import logging
import sys

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from overparam.commands.start import quiet, start, start_hydra, tell
from overparam.compat_hydra import config_groups
from overparam.errors import ConfigError
from overparam.paths import CONFIGS
from overparam.runs.keys import refuse_hydras_folders, refuse_unknown_keys


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="plan")
def run(cfg: DictConfig) -> None:
    """Plan the one run of the composed config."""
    from overparam.sweeps.plan import report

    try:
        refuse_hydras_folders(HydraConfig.get())
        choices = HydraConfig.get().runtime.choices
        refuse_unknown_keys(cfg, config_groups(GlobalHydra.instance().config_loader(), choices))
        report([(cfg, HydraConfig.get().overrides.task)], cfg.plan)
    except Exception as error:
        sys.exit(tell(error))  # Hydra would print a line of its own first


def sizes() -> int:
    """Print the sizes of well-known networks."""
    from overparam.sweeps.sizes import report

    if sys.argv[1:] != ["--sizes"]:
        raise ConfigError("--sizes goes alone: it is about networks of fixed size, whatever the config")
    report()
    return 0


def main() -> int:
    """Do what the command line says; return the exit code."""
    quiet(logging.WARNING)
    return start(sizes) if "--sizes" in sys.argv else start_hydra(run)
