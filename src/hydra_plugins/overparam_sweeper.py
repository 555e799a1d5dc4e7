"""Hydra's shell over `overparam.sweeps`: a sweeper that knows which runs are finished."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.overparam_launcher import isolate
from overparam.ranges import PositiveFloat, PositiveInt

log = logging.getLogger(__name__)


class OverparamSweeper(Sweeper):
    """Expands a grid as Hydra's basic sweeper does, trains what is not finished, and reports at the end.

    Args:
        params: the grid, values by key.
        max_attempts: how often a run may fail before the same command tries it no more.
        fail_fast: whether the sweep ends at the first failure.
        max_run_seconds: how long a run may take; launchers read it from the config.
        threshold: knobs of a search for the interpolation threshold, in place of the grid (`sweeps.threshold.Search`).
    """

    config: DictConfig
    launcher: Launcher

    def __init__(
        self,
        params: dict[str, str] | None,
        max_attempts: PositiveInt,
        fail_fast: bool,
        max_run_seconds: PositiveFloat | None = None,
        threshold: dict[str, Any] | None = None,
    ) -> None:
        self.params, self.max_run_seconds, self.threshold = params or {}, max_run_seconds, threshold
        self.max_attempts, self.fail_fast = max_attempts, fail_fast

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Make the launcher, and give it a task that suits it; raises `ConfigError` if the knobs mean nothing."""
        from overparam.compat_hydra import with_planned_configs
        from overparam.runs.keys import refuse_hydras_folders
        from overparam.sweeps.check import hydra_knobs
        from overparam.sweeps.jobs import planned_job
        from overparam.sweeps.offer import Offer
        from overparam.training.knobs import typed_run_knobs

        knobs = ("max_attempts", "fail_fast", "max_run_seconds", "threshold")
        given = {key: getattr(self, key) for key in knobs}
        for key, value in hydra_knobs(OverparamSweeper, given, "sweeper").items():
            setattr(self, key, value)
        refuse_hydras_folders(config.hydra)
        for key, value in typed_run_knobs(config).items():
            OmegaConf.update(config, key, value)
        self.config, self.loader = config, hydra_context.config_loader
        planned = with_planned_configs(self.loader, planned_job)
        hydra_context = HydraContext(config_loader=planned, callbacks=hydra_context.callbacks)
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
        offer = Offer(self.launcher)
        if offer.needs_isolation:
            task_function = isolate
        elif offer.in_this_process and self.fail_fast:
            task_function = partial(_until_it_fails, task_function)
        self.launcher.setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> list[Any]:
        """Run the sweep of `hydra.sweeper.params` and the command line's `arguments`."""
        if self.threshold is not None:
            print(self.find_threshold(arguments))
            return []
        return self.train(self.grid(arguments))

    def find_threshold(self, arguments: list[str]) -> Any:
        """Train what a search needs, and return the `sweeps.threshold.Threshold`."""
        from overparam.sweeps.check import hydra_knobs
        from overparam.sweeps.threshold import Search, find_threshold

        knobs = hydra_knobs(Search, self.threshold or {}, "sweeper.threshold")
        train = partial(self.train, report=lambda _: None)  # the grid's report will have them
        return find_threshold(self.loader, self.config, self.grid(arguments), Search(**knobs), train)

    def grid(self, arguments: list[str]) -> list[list[str]]:
        """Return the overrides of every point of `hydra.sweeper.params` and the command line's `arguments`."""
        from overparam.sweeps.choices import sweep_points

        return sweep_points(self.loader, self.config, self.params, arguments)

    def train(
        self, points: Sequence[Sequence[str]], report: Callable[[Path], object] | None = None
    ) -> list[Any]:
        """Train the runs of a grid, given as overrides, that are not finished, and report on them."""
        from overparam.sweeps.sweep import run_sweep

        places = self.launcher, _group, report or _report
        return run_sweep(self.loader, self.config, points, *places, self.max_attempts, self.fail_fast)


def _group(todo: Sequence[Any], grid: Sequence[Any], parts: Mapping[Path, Any], offer: Any) -> Sequence[Any]:
    from overparam.packs.job import pack_runs

    return pack_runs(todo, grid, parts, offer)


def _report(folder: Path) -> None:
    from overparam.analysis.stamps import REPORT, is_reported

    if is_reported(folder):
        log.info("nothing changed since %s was made", folder / REPORT)
        return
    from overparam.analysis.report import report

    report(folder)


def _until_it_fails(task_function: TaskFunction, cfg: DictConfig) -> Any:
    from overparam.runs.state import AlreadyRunning, FirstFailure

    try:
        return task_function(cfg)
    except AlreadyRunning:
        raise
    except Exception as error:  # Hydra's launcher would go on
        raise FirstFailure from error
