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
from rich.text import Text

from overparam.errors import counted, printable
from overparam.runs.running import HowFar, remove_how_far, write_how_far

log = logging.getLogger(__name__)

LINE_SECONDS = 30.0  # between two lines of progress in a log file
FILE_SECONDS = 2.0  # between two words on how far a run is
FAMILIES = ("data", "model", "optimizer", "scheduler")  # whose class is told whatever it is
IDENTITY_WIDTH = 36  # of lines that stand below each other


class RunProgress(L.Callback):
    """Tells what is trained, how far it is, counted in optimizer steps, and the last train and test error.

    Args:
        identity: the run's name.
        settings: what is to be told of the config, in pairs of a section and a text.
        params: P, the number of trainable parameters.
        n_train: n, the number of training samples.
        console: where to; a terminal gets a table and a bar, anything else plain lines.
    """

    def __init__(
        self,
        identity: str,
        settings: Sequence[tuple[str, str]],
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
            steps = counted(trainer.max_steps, "step")
            log.info("%s: %s, %s on %s%s", self.identity, self.size, steps, device, resumed)
            self.last_line = time.monotonic()
            return
        table = Table.grid(padding=(0, 2))
        for section, text in (*self.settings, ("size", f"{self.size}, on {device}{resumed}")):
            table.add_row(Text(section, "bold"), Text(printable(text)))
        self.console.print(Text(self.identity, "bold"))
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


def not_default(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return in a line a section what is not default in a config, and the class of each of `FAMILIES`.

    Args:
        values: of the config, see `runs.identity.flat_values`.
        defaults: likewise, of the config with nothing but these families' files chosen.

    Example:
        >>> common = {"model._target_": "MLP", "model.depth": 1}
        >>> not_default({**common, "model.width": 8, "seed": 3}, {**common, "model.width": 64, "seed": 0})
        [('model', 'MLP, width 8'), ('run', 'seed 3')]
    """
    sections: dict[str, list[str]] = {family: [] for family in FAMILIES}
    for key in sorted(dict.fromkeys([*values, *defaults]), key=lambda key: not key.endswith("._target_")):
        value = values.get(key)
        section, _, name = key.partition(".")
        if name.endswith("seed") and value == values.get("seed"):
            continue  # it follows
        if value == defaults.get(key) and key not in (f"{family}._target_" for family in FAMILIES):
            continue
        if name.endswith("_target_"):
            told = f"{name[: -len('._target_')]} {str(value).rpartition('.')[2]}".strip()
        else:
            told = f"{name or section} {'none' if value is None else value}"
        sections.setdefault(section if name else "run", []).append(told)
    return [(section, ", ".join(words)) for section, words in sections.items() if words]


def finished_line(identity: str, summary: Mapping[str, Any]) -> str:
    """Return what became of a run, in a line that stands below others of its kind.

    Example:
        >>> finished_line("mlp-w8-d1", {"train_error": 0.0, "test_error": 0.125, "wall_seconds": 7.25})
        'mlp-w8-d1                             train error 0.000   test 0.125       7.2 s'
    """
    train, test = (_number(summary[key]) for key in ("train_error", "test_error"))
    return f"{identity:<{IDENTITY_WIDTH}}  train error {train:<7} test {test:<7} {summary['wall_seconds']:>7.1f} s"


def _number(value: float) -> str:
    return f"{value:.3f}" if value == 0 or 1e-3 <= value < 1e3 else f"{value:.1e}"


def _errors(trainer: L.Trainer) -> str:
    """Return the last errors that were evaluated, from the metrics table, the first of the run's loggers."""
    row = last_evaluated(trainer.loggers[0])
    if not row:
        return "not evaluated yet"
    return f"train error {_number(row['train_error'])}, test {_number(row['test_error'])}"
