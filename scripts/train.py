"""Train one run, or with -m a sweep of runs; see configs/train.yaml and configs/experiment/."""

import logging
import os
import sys
import warnings

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException


@hydra.main(version_base="1.3", config_path="../configs", config_name="train")
def run(cfg: DictConfig) -> float | None:
    """Train the composed config; return what a hyperparameter search minimizes."""
    from overparam.assemble import ConfigError
    from overparam.measures.evaluation import Diverged
    from overparam.sweeps.state import AlreadyRunning
    from overparam.train import train

    try:
        return train(cfg, show=HydraConfig.get().mode == RunMode.RUN)[cfg.objective]
    except (ConfigError, AlreadyRunning, Diverged) as error:
        if HydraConfig.get().mode == RunMode.RUN:
            sys.exit(fail(error))  # Hydra would print a line of its own first
        raise


def main() -> int:
    """Run with every expected mistake said in one line; return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for name in ("hydra", "hydra_plugins", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, and the line below is ours
    try:
        run()
    except (HydraException, OmegaConfBaseException) as error:
        return fail(error)
    except Exception as error:
        if type(error).__name__ in ("ConfigError", "SweepFailed"):
            return fail(error)
        raise
    except KeyboardInterrupt:
        print("interrupted; the same command continues", file=sys.stderr)
        return 130
    return 0


def fail(error: Exception) -> int:
    """Print the error in one line."""
    message = " ".join(str(error).split()).partition(" Config search path:")[0]
    print(f"error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
