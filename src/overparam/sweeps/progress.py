"""How far a sweep is, read from its runs' directories: live in a terminal, every half minute in a log."""

import _thread
import logging
import math
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from overparam.errors import printable
from overparam.runs.metrics import METRICS, read_metrics
from overparam.runs.running import read_how_far
from overparam.runs.state import Failure, State, read_failure, state
from overparam.runs.summary import read_summary

log = logging.getLogger(__name__)

LINE_SECONDS = 30  # between two progress lines in a log
NAMED = 3  # runs that are named of those that failed for one reason


class Progress:
    """Follows runs in a thread of its own while a launcher keeps the main thread busy.

    Args:
        finished: directories of runs finished before.
        todo: directories of runs to train.
        objective: the summary key whose lowest value is shown.
        fail_fast: whether to interrupt the main thread, as Ctrl-C does, when a run fails.
    """

    def __init__(
        self, finished: Sequence[Path], todo: Sequence[Path], objective: str, fail_fast: bool = False
    ) -> None:
        self.total, self.done, self.pending = len(finished) + len(todo), len(finished), list(todo)
        self.finished_before = list(finished)
        self.objective, self.fail_fast = objective, fail_fast
        self.running: dict[Path, float] = {}  # what share of its steps each has taken
        self.begun: dict[Path, float] = {}  # ... and had taken when it was first seen
        self.best_so_far: tuple[float, str] | None = None  # test error, of the running ones
        self.failed: dict[Path, Failure] = {}
        self.best: tuple[float, str] | None = None
        self.started = time.time()
        self.stopped_for: Path | None = None  # the failure that `fail_fast` stopped for
        self._told: dict[str, int] = {}  # how many had failed for a reason when it was last told
        self._logged = self.started
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._console = Console(stderr=True)
        self._deaf = False  # to Ctrl-C, as what a script starts in the background is

    def __enter__(self) -> "Progress":
        self._deaf = self.fail_fast and signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        if self._deaf:
            signal.signal(signal.SIGINT, self._interrupt)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._end.set()
        self._thread.join()
        if self._deaf:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _interrupt(self, *_: object) -> None:
        if self.stopped_for is not None:
            raise KeyboardInterrupt

    def update(self) -> None:
        """Look at the directories of the runs that are not known to be finished."""
        running, still, errors = {}, [], []
        for run_dir in self.pending:
            now = state(run_dir)
            if now == State.FINISHED:
                self.done += 1
                self.failed.pop(run_dir, None)
                self._compare(run_dir)
                continue
            still.append(run_dir)
            failure = read_failure(run_dir) if now != State.WAITING else None
            if failure is not None and failure.when >= self.started:
                self.failed[run_dir] = failure
            elif now == State.RUNNING:
                how_far = read_how_far(run_dir)
                running[run_dir] = how_far.step / how_far.max_steps if how_far else 0.0
                self.begun.setdefault(run_dir, running[run_dir])
                if how_far and how_far.test_error is not None:
                    errors.append((how_far.test_error, run_dir.name))
        self.pending, self.running = still, running
        self.best_so_far = min(errors, default=None)

    def line(self, beside_bar: bool = False) -> str:
        """Return the state of the sweep in one line.

        Args:
            beside_bar: whether there is a bar, which shows what share of their steps the running ones have taken.
        """
        taken = sum(self.running.values())
        running = f"{len(self.running)} running"
        if taken and not beside_bar:
            running += f" at {taken / len(self.running):.0%}"
        parts = [f"{self.done}/{self.total} done", running]
        if self.failed:
            parts.append(f"{len(self.failed)} failed")
        ended = self.done - len(self.finished_before) + len(self.failed)
        fresh = ended + taken - sum(self.begun.values())
        left = self.total - self.done - len(self.failed) - taken
        if fresh > 0 and left > 0:
            seconds = (time.time() - self.started) / fresh * left
            parts.append(f"{timedelta(seconds=round(seconds))} left")
        if best := self.best or self.best_so_far:
            of = "" if beside_bar else f"{self.objective if self.best else 'test_error so far'} "
            parts.append(f"best {of}{best[0]:.4g} ({best[1]})")
        return ", ".join(parts)

    def new_failures(self) -> list[str]:
        """Return what is to be told of runs that have failed since it was last asked, in a line a reason.

        The first failure for a reason is told at once, further ones when they have doubled.
        """
        lines = []
        for kind, run_dirs in by_reason(self.failed).items():
            if len(run_dirs) < 2 * self._told.get(kind, 0.5):
                continue
            self._told[kind] = len(run_dirs)
            others = f" and {len(run_dirs) - 1} more" if len(run_dirs) > 1 else ""
            newest = max(run_dirs, key=lambda run_dir: self.failed[run_dir].when)
            lines.append(printable(f"failed: {newest.name}{others}: {self.failed[newest].reason}"))
        return lines

    def _compare(self, run_dir: Path) -> None:
        value = (read_summary(run_dir) or {}).get(self.objective)
        if isinstance(value, int | float) and (self.best is None or value < self.best[0]):
            self.best = (value, run_dir.name)

    def _follow(self) -> None:
        for run_dir in self.finished_before:
            self._compare(run_dir)
        if not self._console.is_terminal:
            self._poll(self._log_now_and_then)
            return
        with Live(self._bar(), console=self._console, transient=True, auto_refresh=False) as live:
            # Live prints what is written to sys.stderr above the bar; log handlers must write there too.
            handlers = [
                h for h in logging.getLogger().handlers if getattr(h, "stream", None) is sys.__stderr__
            ]
            for handler in handlers:
                handler.setStream(sys.stderr)  # type: ignore[attr-defined]
            try:
                self._poll(lambda: live.update(self._bar(), refresh=True))
            finally:
                for handler in handlers:
                    handler.setStream(sys.__stderr__)  # type: ignore[attr-defined]

    def _poll(self, show: Callable[[], object]) -> None:
        pause = 0.5
        while not self._end.wait(pause):
            before = time.monotonic()
            self.update()
            for line in self.new_failures():
                log.warning(line)
            show()
            if self.fail_fast and self.failed and self.stopped_for is None:
                self.stopped_for = next(iter(self.failed))
                _interrupt_main_thread()
            pause = max(0.5, 20 * (time.monotonic() - before))  # a slow file system is looked at less often

    def _log_now_and_then(self) -> None:
        if time.time() - self._logged >= LINE_SECONDS:
            self._logged = time.time()
            log.info(self.line())

    def _bar(self) -> Table:
        grid = Table.grid(padding=(0, 1))
        grid.add_row(
            ProgressBar(self.total, self.done + sum(self.running.values()), width=10),
            Text(self.line(beside_bar=True), no_wrap=True, overflow="ellipsis"),
        )
        return grid


def _interrupt_main_thread() -> None:
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:  # Windows; elsewhere this would not end a wait
        _thread.interrupt_main()


def print_running(run_dirs: Sequence[Path]) -> None:
    """Print how far runs are: the step and errors of their latest evaluation, and how long ago that was."""
    table = Table("running", "step", "train error", "test error", "evaluated")
    table.columns[0].no_wrap = True  # cut short, it could not be looked for
    for run_dir in run_dirs:
        try:
            rows = [row for row in read_metrics(run_dir) if "test_error" in row]
        except (ValueError, OSError):
            rows = []  # damaged: the run finds out itself
        if rows:
            row, age = rows[-1], time.time() - (run_dir / METRICS).stat().st_mtime
            errors = [f"{row.get(key, math.nan):.4g}" for key in ("train_error", "test_error")]
            table.add_row(
                _plain(run_dir.name),
                str(row["step"]),
                *errors,
                f"{timedelta(seconds=max(0, round(age)))} ago",
            )
        else:
            table.add_row(_plain(run_dir.name), "0")
    if run_dirs:
        Console(width=None if sys.stdout.isatty() else 160).print(table)


def print_failures(failures: Mapping[Path, Failure]) -> None:
    """Print why runs failed, how many for each reason, and the first of them."""
    for run_dirs in by_reason(failures).values():
        reason = printable(failures[run_dirs[0]].reason)
        print(f"{len(run_dirs)} failed: {reason}", file=sys.stderr)
        for run_dir in run_dirs[:NAMED]:
            attempts = failures[run_dir].attempts
            often = f" ({attempts} attempts)" if attempts > 1 else ""
            print(f"    {printable(run_dir.name)}{often}", file=sys.stderr)
        if len(run_dirs) > NAMED:
            print(f"    and {len(run_dirs) - NAMED} more", file=sys.stderr)


def by_reason(failures: Mapping[Path, Failure]) -> dict[str, list[Path]]:
    """Return the runs that failed for one reason, which may differ in its numbers, most frequent first."""
    kinds: dict[str, list[Path]] = {}
    for run_dir, failure in sorted(failures.items()):
        kinds.setdefault(re.sub(r"\d+([.,]\d+)*", "N", failure.reason), []).append(run_dir)
    return dict(sorted(kinds.items(), key=lambda kind: -len(kind[1])))


def _plain(text: str) -> Text:
    """Return a text to be printed as it is: rich takes [words] for styles."""
    return Text(printable(text))
