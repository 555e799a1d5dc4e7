"""Say what a command line of train.py would run, and what it would cost; nothing is trained.

python scripts/plan.py -m experiment=model_wise plan.json=plan.json
"""

import logging
import os
import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException


@hydra.main(version_base="1.3", config_path="../configs", config_name="plan")
def run(cfg: DictConfig) -> None:
    """Plan the one run of the composed config."""
    from overparam.plan import report

    report([(cfg, HydraConfig.get().overrides.task)], cfg.plan.json)


def main() -> int:
    """Plan with every expected mistake said in one line; return the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, and the line below is ours
    try:
        run()
    except (HydraException, OmegaConfBaseException) as error:
        return fail(error)
    except Exception as error:
        if type(error).__name__ == "ConfigError":
            return fail(error)
        raise
    return 0


def fail(error: Exception) -> int:
    """Print the error in one line."""
    message = " ".join(str(error).split()).partition(" Config search path:")[0]
    print(f"error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
