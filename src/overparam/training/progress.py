"""What a single run shows on the terminal, in a log file a few plain lines; and how far it is, for a sweep to tell."""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from overparam.runs.running import HowFar, remove_how_far, write_how_far

log = logging.getLogger(__name__)

LINE_SECONDS = 30.0  # between two lines of progress in a log file
FILE_SECONDS = 2.0  # between two words on how far a run is
SHOWN = ("data", "model", "optimizer", "scheduler", "trainer")
HIDDEN = ("seed", "order_seed", "devices", "precision", "accelerator", "num_workers")
NOTHING = (None, False, 0, "none", "auto", "standard")  # what is off, absent or left to the program


class RunProgress(L.Callback):
    """Tells what is trained, how far it is, counted in optimizer steps, and the last train and test error.

    Args:
        identity: the run's name.
        settings: the resolved config.
        params: P, the number of trainable parameters.
        n_train: n, the number of training samples.
        console: where to; a terminal gets a table and a bar, anything else plain lines.
    """

    def __init__(
        self,
        identity: str,
        settings: Mapping[str, Any],
        params: int,
        n_train: int,
        console: Console | None = None,
    ) -> None:
        self.identity, self.settings = identity, settings
        self.size = f"P {params:,}, n {n_train:,}, P/n {params / n_train:.3g}"
        self.console = console or Console(stderr=True)
        self.bar: Progress | None = None
        self.task = TaskID(0)
        self.last_line = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Say what is trained, and from which step on."""
        start, device = trainer.global_step, trainer.strategy.root_device
        resumed = f", continuing at step {start}" if start else ""
        if not self.console.is_terminal:
            log.info("%s: %s, %d steps on %s%s", self.identity, self.size, trainer.max_steps, device, resumed)
            self.last_line = time.monotonic()
            return
        table = Table.grid(padding=(0, 2))
        for section, text in describe(self.settings):
            table.add_row(f"[bold]{section}[/]", text)
        table.add_row("[bold]size[/]", f"{self.size}, on {device}{resumed}")
        self.console.print(f"[bold]{self.identity}[/]", highlight=False)
        self.console.print(table, highlight=False)
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("steps, {task.description}"))
        self.bar = Progress(*columns, TimeRemainingColumn(), console=self.console, transient=True)
        self.task = self.bar.add_task(_errors(trainer), total=trainer.max_steps, completed=start)
        self.bar.start()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move on by the steps of the chunk that ended."""
        if self.bar is not None:
            self.bar.update(self.task, completed=trainer.global_step, description=_errors(trainer))
        elif time.monotonic() - self.last_line >= LINE_SECONDS:
            self.last_line = time.monotonic()
            log.info("step %d of %d, %s", trainer.global_step, trainer.max_steps, _errors(trainer))

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Clear the bar, also after an error."""
        if self.bar is not None:
            self.bar.stop()


class SaysHowFar(L.Callback):
    """Writes every two seconds how far each of the runs is that are trained.

    Args:
        runs: a directory and a metrics table of each.
    """

    def __init__(self, runs: Sequence[tuple[Path, Any]]) -> None:
        self.runs, self._last = list(runs), 0.0

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write if it is time."""
        if time.monotonic() - self._last >= FILE_SECONDS:
            self._last = time.monotonic()
            for run_dir, table in self.runs:
                row = last_evaluated(table)
                errors = row.get("train_error"), row.get("test_error")
                write_how_far(run_dir, HowFar(trainer.global_step, trainer.max_steps, *errors))

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Remove the files, also after an error."""
        for run_dir, _ in self.runs:
            remove_how_far(run_dir)


def last_evaluated(table: Any) -> dict[str, Any]:
    """Return the last row of a metrics table that an evaluation wrote; empty if there is none."""
    return next((row for row in reversed(getattr(table, "rows", [])) if "test_error" in row), {})


def describe(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the sections of a config in a line each: the class, and the values that say something.

    Example:
        >>> describe({"model": {"_target_": "a.b.MLP", "width": 8, "dropout": None}})
        [('model', 'MLP, width 8')]
    """
    lines = []
    for section in SHOWN:
        node = settings.get(section) or {}
        words = [str(node["_target_"]).rpartition(".")[2]] if "_target_" in node else []
        words += [
            f"{key.replace('_', ' ')} {value}"
            for key, value in node.items()
            if not key.startswith("_") and value not in NOTHING and key not in HIDDEN
        ]
        if words:
            lines.append((section, ", ".join(words)))
    return lines


def _errors(trainer: L.Trainer) -> str:
    """Return the last errors that were evaluated, from the metrics table, the first of the run's loggers."""
    row = last_evaluated(trainer.loggers[0])
    if not row:
        return "not evaluated yet"
    return f"train error {row['train_error']:.3f}, test error {row['test_error']:.3f}"
