"""The runs that a claim needs: named first, and trained where they are missing."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from overparam.caller import search_path
from overparam.errors import ConfigError, one_line
from overparam.paths import CONFIGS
from overparam.runs.state import State, state
from overparam.sweeps.grid import expand


@dataclass(frozen=True)
class Setup:
    """Where the runs of claims are, over which seeds, and with whose configs."""

    logs: Path
    seeds: tuple[int, ...]
    config_dir: Path | None = None  # a folder of one's own configs beside the lab's


def train_sweeps(
    setup: Setup, experiment: str, sweeps: Sequence[Sequence[str]] = ((),), replicate: str = "seed"
) -> list[list[Path]]:
    """Train what is missing of sweeps of an experiment, and return the run directories of each sweep.

    Nothing starts if all runs are finished. The runs of all sweeps train at once on all devices of this machine,
    packed where that is faster: a claim is about means over seeds, for which equality to rounding is enough.

    Args:
        setup: where, over which seeds, and with whose configs.
        experiment: a file of configs/experiment/.
        sweeps: for each sweep, the overrides of the experiment.
        replicate: the config key that takes the seeds.

    Raises:
        ConfigError: if a sweep cannot be composed, or trained as asked.
        SweepFailed: if runs failed.
    """
    common = [
        f"experiment={experiment}",
        f"name={sweep_name(experiment)}",
        f"paths.logs={setup.logs}",
        f"{replicate}={','.join(map(str, setup.seeds))}",
        "logger=local",
        "hydra/launcher=local",
        "pack=auto",
        *search_path(setup.config_dir),
    ]
    with _lab_configs():
        return _train([[*common, *overrides] for overrides in sweeps])


def sweep_name(experiment: str) -> str:
    """Return the name of the sweep that trains an experiment for claims."""
    return experiment.replace("/", "-")


def compose_study(setup: Setup, study: str) -> dict[str, Any]:
    """Return the values of a file of configs/study/; raises `ConfigError` if it cannot be composed."""
    with _lab_configs():
        cfg = compose("analyze", [f"study={study}", "runs=''", *search_path(setup.config_dir)])
        values: Any = OmegaConf.to_container(cfg.study, resolve=True)
        return values


@contextmanager
def _lab_configs() -> Iterator[None]:
    """Compose from the lab's configs; what Hydra refuses is a `ConfigError`."""
    try:
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            yield
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(one_line(error)) from error


def _train(command_lines: Sequence[Sequence[str]]) -> list[list[Path]]:
    """Do what `overparam-train -m` does with each of these command lines, but all in one sweep."""
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    context = HydraContext(config_loader=hydra.config_loader, callbacks=None)  # type: ignore[arg-type]
    points, directories = [], []
    for overrides in command_lines:
        config = hydra.compose_config("train", list(overrides), RunMode.MULTIRUN)
        sweeper: Any = Plugins.instance().instantiate_sweeper(
            hydra_context=context, task_function=lambda _: None, config=config
        )
        grid = sweeper.grid(OmegaConf.to_container(config.hydra.overrides.task))
        directories.append([run.directory for run in expand(context.config_loader, config, grid)])
        points += grid
    if any(state(directory) != State.FINISHED for sweep in directories for directory in sweep):
        with redirect_stdout(io.StringIO()):  # the sweep's own tables
            sweeper.train(points)
    return directories
