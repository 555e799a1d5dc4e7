"""Reading `metrics.csv`, without the weight of Lightning."""

import csv
from pathlib import Path
from typing import Any

METRICS = "metrics.csv"


def whole_lines(path: Path) -> list[str]:
    """Return the lines of a file that were written to their end: the last one of a killed run may be torn."""
    if not path.exists():
        return []
    *lines, _ = path.read_bytes().decode().split("\n")
    return [line.removesuffix("\r") for line in lines]


def read_metrics(run_dir: Path) -> list[dict[str, Any]]:
    """Return the rows of `metrics.csv`, `step` an int, the rest floats; missing cells are absent.

    Raises:
        ValueError: if it holds anything else.
    """
    try:
        return [
            {"step": int(row["step"])} | {k: float(v) for k, v in row.items() if k != "step" and v != ""}
            for row in csv.DictReader(whole_lines(run_dir / METRICS))
        ]
    except (ValueError, TypeError, KeyError, csv.Error) as error:
        raise ValueError(f"{run_dir / METRICS} is no table of metrics: {error!r}") from error
