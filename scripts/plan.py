"""Say what a command line of train.py would run, and what it would cost; nothing is trained.

python scripts/plan.py -m experiment=model_wise plan.json=plan.json
"""

import logging
import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from overparam.errors import ExpectedError, fail, run_script


@hydra.main(version_base="1.3", config_path="../configs", config_name="plan")
def run(cfg: DictConfig) -> None:
    """Plan the one run of the composed config."""
    from overparam.sweeps.plan import report

    try:
        report([(cfg, HydraConfig.get().overrides.task)], cfg.plan.json)
    except ExpectedError as error:
        sys.exit(fail(error))  # Hydra would print a line of its own first


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    sys.exit(run_script(run))
