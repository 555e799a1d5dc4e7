"""A Hydra launcher for the devices of one machine: long-lived worker processes, one device slot each."""

import os
from collections.abc import Sequence
from functools import partial
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from overparam.errors import counted
from overparam.ranges import NonNegativeInt, PositiveFloat, PositiveInt


def train_job(job: tuple[DictConfig, list[str]]) -> float | None:
    """Train a config, in a worker; return what a hyperparameter search minimizes."""
    import sys

    from overparam.garbage import importing
    from overparam.libraries import hush

    hush()
    with importing():
        from overparam.packs.job import run_job

    cfg, overrides = job
    sys.argv[1:] = overrides  # what Lightning starts the other processes of a DDP run with
    return run_job(cfg)


def isolate(cfg: DictConfig) -> float | None:
    """Train a config in a process of its own, so that a crash is a failed run, not a lost job."""
    from hydra.core.hydra_config import HydraConfig

    from overparam.errors import end_on_sigterm
    from overparam.runs.identity import resolved_values
    from overparam.sweeps.pool import run_all

    # A job that is asked to stop does so at once, and is no failure: the run continues when a job starts again.
    end_on_sigterm()
    resolved = OmegaConf.create(resolved_values(cfg))
    limit = partial(_seconds, HydraConfig.get().sweeper.get("max_run_seconds"))
    (result,) = run_all(train_job, [(resolved, [])], [{}], _record_death, limit=limit)
    if isinstance(result, Exception):
        raise result
    return result


def _seconds(each: float | None, job: tuple[DictConfig, list[str]]) -> float | None:
    """Return how long a job may take, as many times what a run may as it has runs."""
    from overparam.sweeps.jobs import members

    return None if each is None else each * len(members(job[0]))


def _record_death(job: tuple[DictConfig, list[str]], death: Exception) -> None:
    from overparam.runs.identity import run_directory
    from overparam.runs.state import State, has_diverged, record_failure, state
    from overparam.sweeps.jobs import members
    from overparam.training.build import resolve

    for run_dir in (run_directory(resolve(cfg)) for cfg in members(job[0])):
        if state(run_dir) != State.FINISHED and not has_diverged(run_dir):  # else it only kept its place
            record_failure(run_dir, str(death))


class LocalLauncher(Launcher):
    """Runs jobs on every GPU of this machine, or on its cores.

    A worker that dies, killed or crashed, costs the run it was training and is replaced.

    Args:
        devices: ids of the GPUs to use; None is all that are visible, an empty list the CPU.
        runs_per_gpu: runs that share a GPU; 0.5 gives each run two GPUs.
        cpu_slots: runs at a time on the CPU; None is the number of cores over `cpu_threads`.
    """

    fails_fast = limits_time = True

    def __init__(
        self,
        devices: list[NonNegativeInt] | None,
        runs_per_gpu: PositiveFloat,
        cpu_slots: PositiveInt | None,
    ) -> None:
        self.devices, self.runs_per_gpu, self.cpu_slots = devices, runs_per_gpu, cpu_slots

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what jobs are composed with; raises `ConfigError` if the knobs mean nothing."""
        from overparam.sweeps.check import hydra_knobs
        from overparam.sweeps.slots import gpus_per_run

        self.hydra_context, self.config = hydra_context, config
        given = {key: getattr(self, key) for key in ("devices", "runs_per_gpu", "cpu_slots")}
        for key, value in hydra_knobs(LocalLauncher, given, "launcher").items():
            setattr(self, key, value)
        gpus_per_run(self.runs_per_gpu)

    @property
    def slots(self) -> int:
        """See `sweeps.offer.Offer`."""
        return len(self.environments())

    @property
    def cores_per_job(self) -> int:
        """See `sweeps.offer.Offer`."""
        from overparam.sweeps.slots import cpu_count

        return cpu_count() // self.slots

    @property
    def processes_per_run(self) -> int:
        """See `sweeps.offer.Offer`."""
        from overparam.sweeps.slots import gpus_per_run

        return gpus_per_run(self.runs_per_gpu)

    @property
    def obstacle(self) -> str | None:
        """See `sweeps.offer.Offer`."""
        from overparam.sweeps.slots import visible_gpus

        there = visible_gpus()
        # Where CUDA_VISIBLE_DEVICES is set, its names need not be the ids.
        if "CUDA_VISIBLE_DEVICES" in os.environ or not self.devices or max(self.devices) < len(there):
            return None
        return (
            f"hydra.launcher.devices={self.devices} names GPU {max(self.devices)}, and this machine has "
            f"{counted(len(there), 'GPU')}: leave it null for all, or [] for the CPU"
        )

    def expect_runs(self) -> None:
        """See `sweeps.offer.Offer`."""
        from overparam.sweeps.worker import import_ahead

        import_ahead("overparam.packs.pack")

    def environments(self) -> list[dict[str, str]]:
        """Return the environment variables of each device slot."""
        from overparam.sweeps.slots import cpu_count, gpu_slots, visible_gpus
        from overparam.sweeps.worker import ONE_THREAD

        devices = visible_gpus() if self.devices is None else list(self.devices)
        if devices:
            visible = gpu_slots(devices, self.runs_per_gpu)
        else:
            # cpu_threads may be more than the cores
            visible = [""] * (self.cpu_slots or max(cpu_count() // (self.config.cpu_threads or 1), 1))
        return [{**ONE_THREAD, "CUDA_VISIBLE_DEVICES": names} for names in visible]

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs; the result of one that fails is its exception."""
        from overparam.runs.identity import resolved_values
        from overparam.sweeps.grid import Composer
        from overparam.sweeps.jobs import PLANNED, planned_job
        from overparam.sweeps.pool import run_all

        loader = self.hydra_context.config_loader
        composer = Composer(loader, self.config)
        # The caller's own configs, which the other processes of a distributed run compose from too.
        folders = [
            each.path for each in loader.get_search_path().get_path() if each.provider == "command-line"
        ]
        options = [word for folder in folders for word in ("--config-dir", folder.removeprefix("file://"))]

        def job(overrides: Sequence[str]) -> tuple[DictConfig, list[str]]:
            if (planned := planned_job(overrides)) is not None:
                return planned, [PLANNED + planned.members]
            return OmegaConf.create(resolved_values(composer.compose(overrides))), [*options, *overrides]

        reuse = self.runs_per_gpu >= 1  # a process can be the first of a distributed run only once
        fail_fast = self.config.hydra.sweeper.get("fail_fast", False)
        limit = partial(_seconds, self.config.hydra.sweeper.get("max_run_seconds"))
        jobs = map(job, job_overrides)
        results = run_all(train_job, jobs, self.environments(), _record_death, reuse, fail_fast, limit)
        return [_returned(*pair) for pair in zip(job_overrides, results, strict=True)]


def _returned(overrides: Sequence[str], result: Any) -> JobReturn:
    status = JobStatus.FAILED if isinstance(result, Exception) else JobStatus.COMPLETED
    job = JobReturn(overrides=overrides, status=status)
    job.return_value = result
    return job
