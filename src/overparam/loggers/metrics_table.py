"""`metrics.csv`: one row an evaluation, indexed by step."""

import csv
from argparse import Namespace
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
        """Lightning asks for one."""
        return "metrics"

    @property
    def version(self) -> str:
        """Lightning asks for one."""
        return ""

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the config has a file of its own."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Add a row; a second call at the same step adds columns to it."""
        assert step is not None
        if self.rows and self.rows[-1]["step"] == step:
            self.rows[-1] |= metrics
            self._rewrite()
        else:
            self.rows.append({"step": step, **metrics})
            if self.columns.keys() >= metrics.keys():
                self._write(self.rows[-1:], header=False, mode="a")
            else:
                self._rewrite()

    def _rewrite(self) -> None:
        self.columns = dict.fromkeys(["step", *(key for row in self.rows for key in row)])
        self._write(self.rows, header=True, mode="w")

    def _write(self, rows: list[dict[str, Any]], header: bool, mode: str) -> None:
        with self.path.open(mode, newline="") as file:
            writer = csv.DictWriter(file, list(self.columns), restval="")
            if header:
                writer.writeheader()
            writer.writerows(rows)
