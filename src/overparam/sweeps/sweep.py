"""A sweep from its grid to its report."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from overparam.compat_hydra import result_of
from overparam.errors import ExpectedError, counted
from overparam.runs.code import other_code
from overparam.runs.damage import damage
from overparam.runs.provenance import export_command_line
from overparam.runs.state import (
    CHECKPOINT,
    REPLACED,
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
from overparam.sweeps.check import check, check_limit
from overparam.sweeps.grid import Run, expand
from overparam.sweeps.jobs import Together, planned_jobs
from overparam.sweeps.offer import Offer
from overparam.sweeps.progress import Progress, print_failures

log = logging.getLogger(__name__)

# Says which runs are a job of their own and which are trained together, given the runs to train, all runs of the grid,
# what each is made of by its directory, and what the launcher has.
Group = Callable[[Sequence[Run], Sequence[Run], Mapping[Path, Any], Offer], Sequence[Together]]

LOST_IN_A_ROW = (
    3  # launches in a row that may fail with no run finished or saved, before the sweep is given up
)


class SweepFailed(ExpectedError):
    """Some runs of a sweep failed; the message says how many and what to do."""


@dataclass(frozen=True)
class Lost:
    """In place of a result, if the launcher raised an error: only the run's directory shows what happened."""

    error: Exception


def run_sweep(
    loader: ConfigLoader,
    master: DictConfig,
    grid: Sequence[Sequence[str]],
    launcher: Launcher,
    group: Group,
    report: Callable[[Path], object],
    max_attempts: int,
    fail_fast: bool,
) -> list[Any]:
    """Check every unfinished run of the grid, launch those that need it, and report on the folder.

    Finished runs are not launched, runs that were killed continue, runs that failed are tried again until
    they have failed `max_attempts` times. Runs that another sweep is training are waited for, and taken over
    if it is killed.

    Args:
        loader: Hydra's config loader.
        master: the sweep's own config.
        grid: the overrides of every point.
        launcher: what runs jobs.
        group: see `Group`.
        report: called at the end with every folder that holds finished runs of the grid.
        max_attempts: how often a run may fail.
        fail_fast: whether to end at the first failure.

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
    damaged = {
        run.directory: said for run in runs if run.directory not in done and (said := damage(run.directory))
    }
    for directory, said in damaged.items():
        log.warning("%s: %s; it is set aside in %s and trained again", directory, said, REPLACED)
    failed: dict[Path, Failure] = {}
    todo = []
    for run in runs:
        failure = None if run.directory in done else read_failure(run.directory)
        if failure is not None and failure.attempts >= max_attempts:
            failed[run.directory] = failure
        elif run.directory not in done:
            todo.append(run)
    given_up = f", {len(failed)} given up" if failed else ""
    offer = Offer(launcher)
    check_limit(master.hydra.sweeper.get("max_run_seconds"), offer)
    if todo:
        offer.expect_runs()
    parts = check(todo, offer) if todo else {}
    said = counted(len(runs), "run")
    log.info("%s: %d finished, %d to train%s", said, len(finished), len(todo), given_up)
    results: list[Any] = []
    if todo:
        for directory in (*damaged, *(outdated if master.retrain else ())):
            with suppress(AlreadyRunning):  # another sweep trains it again
                set_aside(directory)
        for run in todo:
            run.directory.mkdir(parents=True, exist_ok=True)
        directories = [run.directory for run in finished], [run.directory for run in todo]
        progress = Progress(*directories, master.objective, fail_fast and not offer.fails_fast)
        try:
            with progress, export_command_line():
                results, new = _train(todo, lambda batch: _launch(group(batch, runs, parts, offer), launcher))
            failed |= new
        except FirstFailure as first:
            progress.update()
            if not progress.failed:  # before the run had begun
                raise SweepFailed(describe(first.__cause__ or first)) from first
        except KeyboardInterrupt:
            offer.cancel()
            if progress.stopped_for is None:
                raise
        failed |= progress.failed
        failed = {run_dir: failure for run_dir, failure in failed.items() if state(run_dir) != State.FINISHED}
    ended = [run.directory.parent for run in runs if state(run.directory) == State.FINISHED]
    unreported = _report(dict.fromkeys(ended), report)
    if failed:
        print_failures(failed)
        raise SweepFailed(_advice(failed, len(runs), max_attempts))
    if unreported:
        raise SweepFailed(f"all runs are finished, but {unreported}; the same command makes it")
    return results


def _report(folders: Iterable[Path], report: Callable[[Path], object]) -> str | None:
    """Report on folders; return why the last of those failed that could not be written, as on a full disk."""
    problem = None
    for folder in folders:
        try:
            report(folder)
        except OSError as error:
            problem = f"the report of {folder} could not be written: {describe(error)}"
            log.warning(problem)
    return problem


def made_by_other_code(finished: Sequence[Run]) -> dict[Path, str]:
    """Return how the code that made finished runs differs from the code now, by directory, where it does."""
    return {run.directory: code for run in finished if (code := other_code(run.directory))}


def _say_other_code(outdated: dict[Path, str], count: int, retrain: bool) -> None:
    codes = ", ".join(f"{code}: {times}" for code, times in Counter(outdated.values()).most_common())
    then = "they are trained again" if retrain else "retrain=true trains them again"
    of = f"{len(outdated)} of {counted(count, 'finished run')} {'was' if len(outdated) == 1 else 'were'}"
    log.info("%s made by other code (%s); %s", of, codes, then)


def _train(
    todo: Sequence[Run], launch: Callable[[Sequence[Run]], dict[Path, Any]]
) -> tuple[list[Any], dict[Path, Failure]]:
    """Launch until every run has finished or failed; return Hydra's results, and the failures."""
    failed: dict[Path, Failure] = {}
    results: list[Any] = []
    started = time.time()
    ready: list[Run] = list(todo)
    tries = LOST_IN_A_ROW
    saved = {run.directory: _last_saved(run.directory) for run in todo}
    elsewhere: list[Run] = []
    while ready or elsewhere:
        if ready:
            batch, ready = ready, []
            outcome = launch(batch)
            results += [r for run in batch if isinstance(r := outcome[run.directory], JobReturn)]
            for run in batch:
                now = _state_after(run, outcome[run.directory], started)
                if isinstance(now, Failure):
                    failed[run.directory] = now
                elif now == State.RUNNING:
                    elsewhere.append(run)
                elif now == State.WAITING:
                    ready.append(run)
            lost = [result.error for result in outcome.values() if isinstance(result, Lost)]
            before, saved = saved, {run.directory: _last_saved(run.directory) for run in todo}
            tries = tries - 1 if lost and len(ready) == len(batch) and saved == before else LOST_IN_A_ROW
            if tries == 0:
                raise SweepFailed(
                    f"{counted(len(ready), 'run')} cannot be finished: {describe(lost[0])}"
                ) from lost[0]
            if elsewhere and not ready:
                log.info("waiting for %s that another process trains", counted(len(elsewhere), "run"))
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


def _last_saved(run_dir: Path) -> int | None:
    """Return when a run's checkpoint was written; None if there is none."""
    try:
        return (run_dir / CHECKPOINT).stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _launch(groups: Sequence[Together], launcher: Launcher) -> dict[Path, Any]:
    """Return for the directory of each run Hydra's result, or the exception that it raised, or `Lost`."""
    with planned_jobs(groups) as jobs:
        try:
            results = list(launcher.launch([job.overrides for job in jobs], initial_job_idx=0))
        except Exception as error:
            log.warning("the launcher gave up: %s", describe(error))
            return {run.directory: Lost(error) for job in jobs for run in job.runs}
    outcome: dict[Path, Any] = {}
    for job, result in zip(jobs, results, strict=True):
        value = result_of(result)
        outcome |= {run.directory: value if isinstance(value, Exception) else result for run in job.runs}
    return outcome


def _state_after(run: Run, result: Any, started: float) -> State | Failure:
    """Return the state of a run that was launched, recording a failure that left no record."""
    now = state(run.directory)
    failure = read_failure(run.directory)
    if now in (State.FINISHED, State.RUNNING):
        return now
    if failure is not None and failure.when >= started:
        return failure
    # Another process was training it when its turn came; it was asked to stop; or the launcher gave up, as it does
    # when a job is cancelled. A crash is not among these: it is recorded where it happens.
    if isinstance(result, AlreadyRunning | RunStopped | Lost):
        return State.WAITING
    return record_failure(run.directory, describe(result))


def _advice(failed: dict[Path, Failure], count: int, max_attempts: int) -> str:
    given_up = sum(failure.attempts >= max_attempts for failure in failed.values())
    one = len(failed) == 1
    advice = f"the same command tries {'it' if one else 'them'} again"
    where = "its directory" if one else "their directories"
    if given_up:
        advice += (
            f", except {given_up} that failed hydra.sweeper.max_attempts={counted(max_attempts, 'time')}"
        )
    return f"{len(failed)} of {counted(count, 'run')} failed, see failure.json in {where}; {advice}"
