"""A sweep from its grid to its report."""

import logging
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from overparam.errors import ExpectedError
from overparam.runs.code import other_code
from overparam.runs.provenance import export_command_line
from overparam.runs.state import (
    AlreadyRunning,
    Failure,
    FirstFailure,
    RunStopped,
    State,
    describe,
    read_failure,
    record_failure,
    set_aside,
    state,
)
from overparam.sweeps.grid import Run, expand
from overparam.sweeps.progress import Progress, print_failures
from overparam.sweeps.slots import visible_gpus

log = logging.getLogger(__name__)


MANY = 300  # runs whose check takes seconds
LOST_IN_A_ROW = 3  # launches that may end without any run's end before the sweep is given up


class SweepFailed(ExpectedError):
    """Some runs of a sweep failed; the message says how many and what to do."""


@dataclass(frozen=True)
class Lost:
    """Stands for the result of a run whose launcher gave up; only the run's directory tells what happened."""

    error: Exception


def run_sweep(
    loader: ConfigLoader,
    master: DictConfig,
    grid: Sequence[Sequence[str]],
    launcher: Launcher,
    max_attempts: int,
    fail_fast: bool,
) -> list[Any]:
    """Check every unfinished run of the grid, launch those that need it, and report on the folder.

    Finished runs are not launched, runs that were killed continue, runs that failed are tried again until
    they have failed `max_attempts` times. Runs that another sweep is training are waited for, and taken over
    if it is killed.

    Raises:
        ConfigError: before any run starts, if one of them could not be trained as asked.
        SweepFailed: after all runs ended, or with `fail_fast` after the first failure, if some failed.
    """
    runs = expand(loader, master, grid)
    finished = [run for run in runs if state(run.directory) == State.FINISHED]
    outdated = made_by_other_code(finished)
    if outdated:
        _say_other_code(outdated, len(finished), master.retrain)
    if master.retrain:
        finished = [run for run in finished if run.directory not in outdated]
    done = {run.directory for run in finished}
    failed: dict[Path, Failure] = {}
    todo = []
    for run in runs:
        failure = None if run.directory in done else read_failure(run.directory)
        if failure is not None and failure.attempts >= max_attempts:
            failed[run.directory] = failure
        elif run.directory not in done:
            todo.append(run)
    given_up = f", {len(failed)} given up" if failed else ""
    parts = check(todo, launcher) if todo else {}
    log.info("%d runs: %d finished, %d to train%s", len(runs), len(finished), len(todo), given_up)
    results: list[Any] = []
    if todo:
        if master.retrain:
            for directory in outdated:
                set_aside(directory)
        for run in todo:
            run.directory.mkdir(parents=True, exist_ok=True)
        polls = fail_fast and type(launcher).__name__ not in ("BasicLauncher", "LocalLauncher")
        progress = Progress(
            [run.directory for run in finished], [run.directory for run in todo], master.objective, polls
        )
        try:
            with progress, export_command_line():
                results, new = _train(todo, parts, launcher)
            failed |= new
        except FirstFailure as first:
            progress.update()
            if not progress.failed:  # before the run had begun
                raise SweepFailed(describe(first.__cause__ or first)) from first
        except KeyboardInterrupt:
            if progress.stopped_for is None:
                raise
        failed |= progress.failed
        failed = {run_dir: failure for run_dir, failure in failed.items() if state(run_dir) != State.FINISHED}
    _report(runs, failed, max_attempts)
    return results


def made_by_other_code(finished: Sequence[Run]) -> dict[Path, str]:
    """Return how the code that made finished runs differs from the code now, by directory, where it does."""
    return {run.directory: code for run in finished if (code := other_code(run.directory))}


def _say_other_code(outdated: dict[Path, str], count: int, retrain: bool) -> None:
    codes = ", ".join(f"{code}: {times}" for code, times in Counter(outdated.values()).most_common())
    then = "they are trained again" if retrain else "retrain=true trains them again"
    log.info("%d of %d finished runs were made by other code (%s); %s", len(outdated), count, codes, then)


def check(runs: Sequence[Run], launcher: Launcher) -> dict[Path, Any]:
    """Return what each run that may be packed is made of, by its directory; the seeds are those of a run like it.

    Raises:
        ConfigError: if one of them could not be trained as asked.
    """
    from overparam.errors import ConfigError
    from overparam.training.build import assemble

    alike: dict[Any, list[Run]] = {}
    for run in runs:
        alike.setdefault(run.kind, []).append(run)
    cfgs = [same[0].cfg for same in alike.values()]
    if reason := misplaced(cfgs, launcher):
        raise ConfigError(reason)
    if len(cfgs) >= MANY:
        log.info("checking %d runs that differ in more than their seeds", len(cfgs))
    parts = [assemble(cfg) for cfg in cfgs]
    for part in parts:
        part.require_data()
    return {run.directory: part for same, part in zip(alike.values(), parts, strict=True) for run in same}


def misplaced(cfgs: Sequence[DictConfig], launcher: Any) -> str | None:
    """Return why the runs do not fit the places that the launcher has for them, or None."""
    kind = type(launcher).__name__
    if kind == "RayLauncher" and launcher.ray_cfg.init.address == "local":
        asked, given = launcher.ray_cfg.remote.get("num_gpus") or 0, launcher.ray_cfg.init.get("num_gpus")
        there = len(visible_gpus()) if given is None else given
        if asked > there:  # Ray would wait for them, silently, for ever
            gpus = "is 1 GPU" if there == 1 else f"are {there} GPUs"
            return f"hydra.launcher.ray.remote.num_gpus={asked}, and there {gpus}: ask for fewer"
    places = 1
    if kind == "LocalLauncher" and launcher.runs_per_gpu < 1:
        places = round(1 / launcher.runs_per_gpu)
    elif kind == "SlurmLauncher":
        places = launcher.params["tasks_per_node"] * launcher.params["nodes"]
    for cfg in cfgs:
        devices = cfg.trainer.devices
        processes = (devices if isinstance(devices, int) else 1) * cfg.trainer.get("num_nodes", 1)
        if processes != places:
            return (
                f"trainer.devices={devices} trains one run on {processes} devices, and this sweep gives each run "
                f"{places}: start the run without -m, or see configs/trainer/ddp.yaml for sweeps of such runs"
            )
    return None


def _train(
    todo: Sequence[Run], parts: dict[Path, Any], launcher: Launcher
) -> tuple[list[Any], dict[Path, Failure]]:
    """Launch until every run has finished or failed; return Hydra's results, and the failures."""
    failed: dict[Path, Failure] = {}
    results: list[Any] = []
    started = time.time()
    ready: list[Run] = list(todo)
    tries = LOST_IN_A_ROW
    elsewhere: list[Run] = []
    while ready or elsewhere:
        if ready:
            batch, ready = ready, []
            outcome = _launch(batch, parts, launcher)
            results += [result for result in outcome if isinstance(result, JobReturn)]
            for run, result in zip(batch, outcome, strict=True):
                now = _settle(run, result, started)
                if isinstance(now, Failure):
                    failed[run.directory] = now
                elif now == State.RUNNING:
                    elsewhere.append(run)
                elif now == State.WAITING:
                    ready.append(run)
            lost = [result.error for result in outcome if isinstance(result, Lost)]
            tries = tries - 1 if lost and len(ready) == len(batch) else LOST_IN_A_ROW
            if tries == 0:
                raise SweepFailed(f"{len(ready)} runs cannot be finished: {describe(lost[0])}") from lost[0]
            if elsewhere and not ready:
                log.info("waiting for %d runs that another process is training", len(elsewhere))
        else:
            time.sleep(1)
            still = []
            for run in elsewhere:
                now = state(run.directory)
                failure = read_failure(run.directory) if now == State.FAILED else None
                if now == State.RUNNING:
                    still.append(run)
                elif failure is not None and failure.when >= started:
                    failed[run.directory] = failure
                elif now != State.FINISHED:
                    ready.append(run)  # whoever trained it was killed
            elsewhere = still
    return results, failed


def _launch(batch: Sequence[Run], parts: dict[Path, Any], launcher: Launcher) -> list[Any]:
    """Return for each run Hydra's result, or the exception that it raised, or `Lost`."""
    from overparam.packs.job import overrides, pack_runs

    slots = len(launcher.slots()) if hasattr(launcher, "slots") else 1
    jobs = pack_runs(batch, parts, slots)
    # A worker may have another working directory.
    composed = [overrides(job, str(job[0].directory.parent.parent.absolute())) for job in jobs]
    try:
        results: list[Any] = list(launcher.launch(composed, initial_job_idx=0))
    except KeyboardInterrupt:
        _cancel_slurm_jobs(launcher)
        raise
    except Exception as error:
        log.warning("the launcher gave up: %s", describe(error))
        return [Lost(error)] * len(batch)
    outcome: dict[Path, Any] = {}
    for job, r in zip(jobs, results, strict=True):
        result = r._return_value if isinstance(r._return_value, Exception) else r
        outcome |= {run.directory: result for run in job}
    return [outcome[run.directory] for run in batch]


def _cancel_slurm_jobs(launcher: Any) -> None:
    if "submitit_launcher" in type(launcher).__module__ and "partition" in launcher.params:
        subprocess.run(["scancel", "--name", launcher.params["name"]], check=False)


def _settle(run: Run, result: Any, started: float) -> State | Failure:
    """Return the state of a run that was launched, recording a failure that left no record."""
    now = state(run.directory)
    failure = read_failure(run.directory)
    if now in (State.FINISHED, State.RUNNING):
        return now
    if failure is not None and failure.when >= started:
        return failure
    # Trained elsewhere at its turn, and no more; told to end; or not heard of again, by a job that was cancelled,
    # say. (A crash is not among these: it is recorded where it happens.)
    if isinstance(result, AlreadyRunning | RunStopped | Lost):
        return State.WAITING
    return record_failure(run.directory, describe(result))


def _report(runs: Sequence[Run], failed: dict[Path, Failure], max_attempts: int) -> None:
    from overparam.analysis.stamps import REPORT, is_reported

    finished = [run.directory.parent for run in runs if state(run.directory) == State.FINISHED]
    for folder in dict.fromkeys(finished):
        if is_reported(folder):
            log.info("nothing changed since %s was made", folder / REPORT)
        else:
            from overparam.analysis.report import report

            report(folder)
    if failed:
        print_failures(failed)
        given_up = sum(failure.attempts >= max_attempts for failure in failed.values())
        advice = "the same command tries them again"
        if given_up:
            advice += f", except {given_up} that failed hydra.sweeper.max_attempts={max_attempts} times"
        raise SweepFailed(
            f"{len(failed)} of {len(runs)} runs failed, see failure.json in their directories; {advice}"
        )
