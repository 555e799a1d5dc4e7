"""The runs that a claim needs: named before they are trained, and trained where they are missing."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, RunMode
from omegaconf import OmegaConf

from overparam.errors import ConfigError
from overparam.sweeps.grid import expand
from overparam.sweeps.state import State, state
from overparam.tracking.provenance import ROOT


@dataclass(frozen=True)
class Place:
    """Where a ledger's runs are, and over which seeds."""

    logs: Path
    seeds: tuple[int, ...]


def train_sweep(
    place: Place, experiment: str, overrides: Sequence[str] = (), replicate: str = "seed"
) -> list[Path]:
    """Train what is missing of an experiment's runs, and return the directories of all of them.

    Nothing starts if all are finished. They train on all devices of this machine, together where that is
    faster: a claim is about means over seeds, for which equal to rounding is enough.

    Args:
        place: where, and over which seeds.
        experiment: a file of configs/experiment/.
        overrides: what is other than in the experiment.
        replicate: the config key that takes the seeds.

    Raises:
        RuntimeError: if runs failed.
    """
    command = [
        f"experiment={experiment}",
        f"name={experiment.replace('/', '-')}",
        f"paths.logs={place.logs}",
        f"{replicate}={','.join(map(str, place.seeds))}",
        "logger=local",
        "hydra/launcher=local",
        "pack=auto",
        *overrides,
    ]
    directories = sweep_directories(command)
    if any(state(directory) != State.FINISHED for directory in directories):
        line = [sys.executable, str(ROOT / "scripts/train.py"), "-m", *command]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
            raise RuntimeError(f"training {experiment} failed: {lines[-1].removeprefix('error: ')}")
    return directories


def sweep_directories(overrides: Sequence[str]) -> list[Path]:
    """Return the directories of the runs that `scripts/train.py -m <overrides>` trains, in the grid's order.

    Raises:
        ConfigError: if the overrides cannot be composed.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
            hydra = GlobalHydra.instance().hydra
            assert hydra is not None
            config = hydra.compose_config("train", list(overrides), RunMode.MULTIRUN)
            context = HydraContext(config_loader=hydra.config_loader, callbacks=None)  # type: ignore[arg-type]
            sweeper: Any = Plugins.instance().instantiate_sweeper(
                hydra_context=context, task_function=lambda _: None, config=config
            )
            grid = sweeper.grid(OmegaConf.to_container(config.hydra.overrides.task))
            return [run.directory for run in expand(hydra.config_loader, config, grid)]
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(" ".join(str(error).split()).partition(" Config search path:")[0]) from error
