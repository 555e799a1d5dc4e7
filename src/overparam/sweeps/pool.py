"""Jobs on device slots: one long-lived worker a slot, replaced when it dies."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.connection import wait
from typing import Any

from overparam.runs.state import AlreadyRunning, FirstFailure, RunDied, RunStopped
from overparam.sweeps.worker import Worker

NOT_FAILURES = (AlreadyRunning, RunStopped)


def run_all(
    function: Callable[[Any], Any],
    jobs: Iterable[Any],
    slots: Sequence[dict[str, str]],
    on_death: Callable[[Any, RunDied], object],
    reuse: bool = True,
    fail_fast: bool = False,
) -> list[Any]:
    """Call `function` with every job, one at a time in each slot.

    Args:
        function: an importable function.
        jobs: its arguments, taken one by one as slots get free.
        slots: the environment variables of each slot's worker.
        on_death: called at once with a job whose worker died, and with how it died.
        reuse: whether a worker gets more than one job.
        fail_fast: end all workers and raise `FirstFailure` when a job fails.

    Returns:
        For each job what its call returned, or the exception it raised: `RunDied` if its worker died,
        `RunStopped` if it was asked to stop.
    """
    queue = enumerate(jobs)
    free = deque(range(len(slots)))
    workers: dict[int, Worker] = {}
    busy: dict[int, tuple[int, Any]] = {}  # slot -> index and job
    results: dict[int, Any] = {}
    try:
        while True:
            while free and (item := next(queue, None)) is not None:
                slot = free.popleft()
                if slot not in workers:
                    workers[slot] = Worker(function, slots[slot])
                workers[slot].send(item[1])
                busy[slot] = item
            if not busy:
                break
            ends = {end: slot for slot in busy for end in workers[slot].ends}
            for slot in {ends[end] for end in wait(list(ends))}:
                index, job = busy.pop(slot)
                try:
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
