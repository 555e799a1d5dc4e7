"""The runs that a claim needs: named first, and trained where they are missing."""

import io
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, RunMode
from omegaconf import OmegaConf

from overparam.caller import search_path
from overparam.errors import ConfigError, counted
from overparam.paths import CONFIGS
from overparam.runs.code import other_code
from overparam.runs.overrides import explain, is_refused_config
from overparam.runs.state import State, state
from overparam.sweeps.grid import Run, expand

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setup:
    """Where the runs of claims are, over which seeds, and with whose configs."""

    logs: Path
    seeds: tuple[int, ...]
    config_dir: Path | None = None  # a folder of one's own configs beside the lab's


def train_sweeps(
    setup: Setup,
    experiment: str,
    sweeps: Sequence[Sequence[str]] = ((),),
    replicate: str = "seed",
    members: int = 0,
    sets: int = 1,
) -> list[list[Path]]:
    """Train what is missing of sweeps of an experiment, and return the run directories of each sweep.

    Nothing starts if all runs are finished. The runs of all sweeps train at once on all devices of this machine,
    packed where that is faster: a claim is about means over seeds, for which equality to rounding is enough.

    Args:
        setup: where, over which seeds, and with whose configs.
        experiment: a file of configs/experiment/.
        sweeps: for each sweep, the overrides of the experiment.
        replicate: the config key that takes the seeds.
        members: with it a seed is so many runs that share no draw with those of other seeds: `replicate` takes it, and
            `seed` its own `members` values. 0: `seed`, where it is not `replicate`, is the experiment's.
        sets: with `members`, how many values `replicate` takes for a seed, which share none with those of others.

    Raises:
        ConfigError: if a sweep cannot be composed, or trained as asked.
        SweepFailed: if runs failed.
    """
    with _lab_configs(setup.config_dir):
        sweeper, points, sweeps_of_runs = _named(
            _command_lines(setup, experiment, sweeps, replicate, members, sets)
        )
        lines = [[run.directory for run in line] for line in sweeps_of_runs]
        _train(sweeper, points, lines)
    per_sweep = len(lines) // len(sweeps)
    return [
        [run for line in lines[start : start + per_sweep] for run in line]
        for start in range(0, len(lines), per_sweep)
    ]


def plan_sweeps(
    setup: Setup,
    experiment: str,
    sweeps: Sequence[Sequence[str]] = ((),),
    replicate: str = "seed",
    members: int = 0,
    sets: int = 1,
) -> list[Run]:
    """Return the runs that `train_sweeps` would train with the same arguments, and train none."""
    with _lab_configs(setup.config_dir):
        lines = _named(_command_lines(setup, experiment, sweeps, replicate, members, sets))[2]
    return [run for line in lines for run in line]


def sweep_name(experiment: str) -> str:
    """Return the name of the sweep that trains an experiment for claims."""
    return experiment.replace("/", "-")


def compose_study(setup: Setup, study: str) -> dict[str, Any]:
    """Return the values of a file of configs/study/; raises `ConfigError` if it cannot be composed."""
    with _lab_configs(setup.config_dir):
        cfg = compose("analyze", [f"study={study}", "runs=''", *search_path(setup.config_dir)])
        values: Any = OmegaConf.to_container(cfg.study, resolve=True)
        return values


@contextmanager
def _lab_configs(config_dir: Path | None) -> Iterator[None]:
    """Compose from the lab's configs; what Hydra refuses is a `ConfigError`."""
    try:
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            yield
    except Exception as error:
        if not is_refused_config(error, config_dir):
            raise
        raise ConfigError(explain(error, config_dir)) from error


def _command_lines(
    setup: Setup, experiment: str, sweeps: Sequence[Sequence[str]], replicate: str, members: int, sets: int
) -> list[list[str]]:
    common = [
        f"experiment={experiment}",
        f"name={sweep_name(experiment)}",
        f"paths.logs={setup.logs}",
        "logger=local",
        "hydra/launcher=local",
        "pack=auto",
        *search_path(setup.config_dir),
    ]
    return [
        [*common, *seeds, *overrides]
        for overrides in sweeps
        for seeds in _seeds(setup, replicate, members, sets)
    ]


def _seeds(setup: Setup, replicate: str, members: int, sets: int) -> list[list[str]]:
    """Return the overrides by which runs take the seeds, for each command line of a sweep."""
    if not members:
        return [[f"{replicate}={','.join(map(str, setup.seeds))}"]]

    def own(seed: int, count: int) -> str:
        return ",".join(map(str, range(seed * count, (seed + 1) * count)))

    return [[f"{replicate}={own(seed, sets)}", f"seed={own(seed, members)}"] for seed in setup.seeds]


def _named(command_lines: Sequence[Sequence[str]]) -> tuple[Any, list[list[str]], list[list[Run]]]:
    """Do what `overparam-train -m` does with each of these command lines, up to naming its runs.

    Returns:
        A sweeper, the overrides of all runs, and the runs of each command line.
    """
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    context = HydraContext(config_loader=hydra.config_loader, callbacks=None)  # type: ignore[arg-type]
    sweeper: Any = None
    points, named = [], []
    for overrides in command_lines:
        config = hydra.compose_config("train", list(overrides), RunMode.MULTIRUN)
        sweeper = Plugins.instance().instantiate_sweeper(
            hydra_context=context, task_function=lambda _: None, config=config
        )
        grid = sweeper.grid(OmegaConf.to_container(config.hydra.overrides.task))
        named.append(expand(context.config_loader, config, grid))
        points += grid
    return sweeper, points, named


def _train(sweeper: Any, points: list[list[str]], directories: Sequence[Sequence[Path]]) -> None:
    """Train all runs that are missing, in one sweep."""
    found = {directory: state(directory) == State.FINISHED for sweep in directories for directory in sweep}
    _say_other_code([directory for directory, is_finished in found.items() if is_finished])
    if not all(found.values()):
        log.info("training the runs of %s", ", ".join({run.parent.name: 1 for run in found}))
        with redirect_stdout(io.StringIO()):  # the sweep's own tables
            sweeper.train(points)


def _say_other_code(finished: Sequence[Path]) -> None:
    """Name the finished runs that other code has made: the verdict is about them."""
    codes = Counter(code for directory in finished if (code := other_code(directory)))
    if codes:
        said = ", ".join(f"{code}: {times}" for code, times in codes.most_common())
        was, of = "was" if codes.total() == 1 else "were", counted(len(finished), "finished run")
        where = f"{finished[0].parent}: {codes.total()} of {of} {was}"
        log.warning("%s made by other code (%s); to train them again, delete them", where, said)
