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
    """Return the rows of `metrics.csv`, `step` an int, the rest floats; missing cells are absent."""
    return [
        {key: int(value) if key == "step" else float(value) for key, value in row.items() if value != ""}
        for row in csv.DictReader(whole_lines(run_dir / METRICS))
    ]
