"""Hydra's Optuna sweeper for runs that may diverge, and for studies that go on."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from overparam.errors import counted
from overparam.ranges import PositiveInt, Share

log = logging.getLogger(__name__)

WORST = {"minimize": float("inf"), "maximize": float("-inf")}
RESULTS = "optimization_results.yaml"  # hydra-optuna-sweeper writes it to the sweep's folder


class OptunaSearch(Sweeper):
    """Optuna's search, which counts a diverged trial as the worst there can be and learns from it.

    A study that is in a storage already goes on with points of its own: the sampler's seed is `sampler.seed` plus the
    trials that are there.

    Args:
        n_trials: trials of this command.
        n_jobs: trials at a time.
        max_failure_rate: share of the trials run at a time that may fail otherwise than by diverging.
        knobs: the others of hydra-optuna-sweeper.
    """

    config: DictConfig

    def __init__(
        self,
        n_trials: PositiveInt,
        n_jobs: PositiveInt,
        max_failure_rate: Share,
        **knobs: Any,
    ) -> None:
        self.knobs = {"n_trials": n_trials, "n_jobs": n_jobs, "max_failure_rate": max_failure_rate, **knobs}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Make the search, and have its launcher say what diverged."""
        from overparam.runs.keys import refuse_hydras_folders
        from overparam.sweeps.check import hydra_knobs

        self.knobs = hydra_knobs(OptunaSearch, self.knobs, "sweeper")
        refuse_hydras_folders(config.hydra)
        from hydra_plugins.hydra_optuna_sweeper.optuna_sweeper import OptunaSweeper

        logging.getLogger("optuna").setLevel(logging.WARNING)  # importing it has set another
        if self.knobs["storage"] and config.hydra.sweeper.sampler.get("seed") is not None:
            node: Any = OmegaConf.to_container(config.hydra.sweeper.sampler, resolve=True)
            seed = node["seed"] + _trials_so_far(self.knobs["study_name"], self.knobs["storage"])
            self.knobs["sampler"] = instantiate({**node, "seed": seed})
        self.optuna: Any = OptunaSweeper(**self.knobs).sweeper
        self.optuna.setup(hydra_context=hydra_context, task_function=task_function, config=config)
        (direction,) = self.optuna._get_directions()
        self.config, self.loader = config, hydra_context.config_loader
        self.trials = Trials(self.optuna.launcher, WORST[direction], config.objective)
        self.optuna.launcher = self.trials

    def sweep(self, arguments: list[str]) -> None:
        """Search with the command line's `arguments`.

        Raises:
            SweepFailed: if no trial had a value.
        """
        from overparam.sweeps.sweep import SweepFailed

        try:
            self.optuna.sweep(arguments)
        except ValueError:  # there is no best trial
            if self.trials.good:
                raise
        said = f"{self.trials.diverged} of {counted(self.trials.count, 'trial')} diverged, {self.trials.failed} failed"
        if not self.trials.good:
            raise SweepFailed(said)
        if self.trials.good < self.trials.count:
            log.warning(said)
        self._say_best()

    def _say_best(self) -> None:
        from overparam.sweeps.grid import Composer

        found = OmegaConf.load(Path(self.config.hydra.sweep.dir) / RESULTS)
        params = " ".join(f"{key}={value}" for key, value in found.best_params.items())
        log.info("best trial: %s %.4g with %s", self.config.objective, found.best_value, params)
        value, overrides = self.trials.best
        if value == found.best_value:  # else a command before this one found it
            log.info("    %s", Composer(self.loader, self.config).run(overrides).identity)


def _trials_so_far(study_name: str, storage: str) -> int:
    import optuna

    try:
        return len(optuna.load_study(study_name=study_name, storage=storage).trials)
    except KeyError:
        return 0


class Trials(Launcher):
    """A launcher that counts, and whose runs return the worst value if they diverge.

    Args:
        launcher: what runs the jobs.
        worst: that value.
        objective: the summary key that is searched.
    """

    def __init__(self, launcher: Launcher, worst: float, objective: str) -> None:
        self.launcher, self.worst, self.objective = launcher, worst, objective
        self.count = self.diverged = self.failed = 0
        self.best: tuple[float, Sequence[str]] = worst, ()
        self._told = time.monotonic()

    @property
    def good(self) -> int:
        """Trials that ended well."""
        return self.count - self.diverged - self.failed

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Do nothing: the launcher is set up."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs; the result of one that fails otherwise is its exception.

        Raises:
            ConfigError: if a run cannot be started as asked.
        """
        from overparam.compat_hydra import result_of
        from overparam.errors import ConfigError
        from overparam.runs.state import Diverged
        from overparam.sweeps.progress import LINE_SECONDS

        jobs = self.launcher.launch(job_overrides, initial_job_idx)
        for overrides, job in zip(job_overrides, jobs, strict=True):
            result = result_of(job)
            if isinstance(result, ConfigError):
                raise result
            self.count += 1
            if isinstance(result, Diverged):
                self.diverged += 1
                job.status, job.return_value = JobStatus.COMPLETED, self.worst
            elif isinstance(result, Exception):
                self.failed += 1
            elif (result < self.best[0]) == (self.worst > 0) and result != self.best[0]:
                self.best = result, overrides
        if time.monotonic() - self._told >= LINE_SECONDS:
            self._told = time.monotonic()
            log.info("%s done, best %s %.4g", counted(self.count, "trial"), self.objective, self.best[0])
        return jobs
