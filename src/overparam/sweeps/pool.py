"""Jobs on device slots: one long-lived worker a slot, replaced when it dies."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.connection import wait
from typing import Any

from overparam.runs.state import AlreadyRunning, FirstFailure, RunDied, RunStopped
from overparam.sweeps.worker import Worker

TICK = 1.0  # seconds between two looks at the clock
NOT_FAILURES = (AlreadyRunning, RunStopped)


def run_all(
    function: Callable[[Any], Any],
    jobs: Iterable[Any],
    slots: Sequence[dict[str, str]],
    on_death: Callable[[Any, RunDied], object],
    reuse: bool = True,
    fail_fast: bool = False,
    limit: Callable[[Any], float | None] = lambda _: None,
) -> list[Any]:
    """Call `function` with every job, one at a time in each slot.

    Args:
        function: an importable function.
        jobs: its arguments, taken one by one as slots get free.
        slots: the environment variables of each slot's worker.
        on_death: called at once with a job whose worker died, and with how it died.
        reuse: whether a worker gets more than one job.
        fail_fast: end all workers and raise `FirstFailure` when a job fails.
        limit: how many seconds a job may take; then its worker is killed.

    Returns:
        For each job what its call returned, or the exception it raised: `RunDied` if its worker died,
        `RunStopped` if it was asked to stop.
    """
    queue = enumerate(jobs)
    free = deque(range(len(slots)))
    workers: dict[int, Worker] = {}
    busy: dict[int, tuple[int, Any]] = {}  # slot -> index and job
    results: dict[int, Any] = {}
    left: dict[int, float] = {}  # seconds, of slots whose job has a limit
    try:
        while True:
            while free and (item := next(queue, None)) is not None:
                slot = free.popleft()
                if slot not in workers:
                    workers[slot] = Worker(function, slots[slot])
                workers[slot].send(item[1])
                busy[slot] = item
                if (seconds := limit(item[1])) is not None:
                    left[slot] = seconds
            if not busy:
                break
            ends = {end: slot for slot in busy for end in workers[slot].ends}
            started = time.monotonic()
            ended = {ends[end] for end in wait(list(ends), min([TICK, *left.values()]) if left else None)}
            passed = min(
                time.monotonic() - started, 2 * TICK
            )  # more has passed if this process was stopped meanwhile
            left = {slot: seconds - passed for slot, seconds in left.items() if slot not in ended}
            late = {slot for slot, seconds in left.items() if seconds <= 0}
            for slot in ended | late:
                index, job = busy.pop(slot)
                left.pop(slot, None)
                try:
                    if slot in late:
                        raise RunDied(
                            f"it took longer than {limit(job):g} seconds, hydra.sweeper.max_run_seconds"
                        )
                    results[index] = workers[slot].receive()
                except (RunDied, RunStopped) as error:
                    results[index] = error
                    workers.pop(slot).stop(patience=0)
                    if isinstance(error, RunDied):
                        on_death(job, error)
                except Exception as error:
                    results[index] = error
                failure = results[index]
                if fail_fast and isinstance(failure, Exception) and not isinstance(failure, NOT_FAILURES):
                    raise FirstFailure from failure
                if slot in workers and not reuse:
                    workers.pop(slot).stop()
                free.append(slot)
    finally:
        for slot, worker in workers.items():
            worker.stop(patience=0 if slot in busy else 10)
    return [results[index] for index in sorted(results)]
