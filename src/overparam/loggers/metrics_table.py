"""`metrics.csv`: one row an evaluation, indexed by step."""

import csv
from argparse import Namespace
from bisect import bisect_left
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger

from overparam.runs.metrics import METRICS, read_metrics


class MetricsTable(Logger):
    """A Lightning logger whose file always agrees with the checkpoint a run continues from.

    Lightning's own CSVLogger starts a new file when a run is resumed. This one keeps the rows up to the
    checkpoint's step and drops those a killed run had written after it.

    Args:
        run_dir: where `metrics.csv` stands.
        step: the step the run starts or continues at.
    """

    def __init__(self, run_dir: Path, step: int) -> None:
        super().__init__()
        self.path = run_dir / METRICS
        self.rows = [row for row in read_metrics(run_dir) if row["step"] <= step] if step > 0 else []
        self._rewrite()

    @property
    def name(self) -> str:
        """Lightning asks for one, as a folder of the run's directory for files such as a ModelCheckpoint's."""
        return ""

    @property
    def version(self) -> str:
        """Lightning asks for one."""
        return ""

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the config has a file of its own."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Add a row in its place; a second call at the same step adds columns to it.

        What a module logs of a step comes after the evaluation that follows the step.
        """
        assert step is not None
        place = bisect_left(self.rows, step, key=lambda row: row["step"])
        if place == len(self.rows) and self.columns.keys() >= metrics.keys():
            self.rows.append({"step": step, **metrics})
            self._write(self.rows[-1:], header=False, mode="a")
            return
        if place == len(self.rows) or self.rows[place]["step"] != step:
            self.rows.insert(place, {"step": step})
        self.rows[place] |= metrics
        self._rewrite()

    def _rewrite(self) -> None:
        self.columns = dict.fromkeys(["step", *(key for row in self.rows for key in row)])
        self._write(self.rows, header=True, mode="w")

    def _write(self, rows: list[dict[str, Any]], header: bool, mode: str) -> None:
        with self.path.open(mode, encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(self.columns), restval="")
            if header:
                writer.writeheader()
            writer.writerows(rows)
