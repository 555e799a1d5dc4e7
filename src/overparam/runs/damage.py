"""Files of a run that cannot be read: emptied by a full disk, torn, overwritten. They cost their own run at most."""

import json
import logging
import zipfile
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from overparam.errors import ConfigError
from overparam.runs.metrics import METRICS
from overparam.runs.summary import SUMMARY, WEIGHTS, Summary

log = logging.getLogger(__name__)

CONFIG, PROVENANCE = "config.yaml", "provenance.json"
NUMBERS = [f.name for f in fields(Summary) if f.type in (int, float, int | None, float | None)]
TAIL = 2**16  # bytes, more than a row of metrics


class DamagedRun(ConfigError):
    """A file of a finished run cannot be read; the sweep's command trains the run again."""


def damage(run_dir: Path) -> str | None:
    """Return which file of a finished run is damaged, in a few words; None if none is, or it is not finished.

    What was emptied, torn or cut off is found by a look at each file's end; only JSON is read. A file that somebody
    has removed is no damage.
    """
    if not (run_dir / SUMMARY).exists():
        return None
    summary: dict[str, Any] = {}
    checks = {
        SUMMARY: lambda path: summary.update(_summary(path)),
        PROVENANCE: read_object,
        CONFIG: _require_sections,
        METRICS: lambda path: _require_rows(path, summary.get("steps", 0)),
        WEIGHTS: _require_archive,
    }
    for name, look in checks.items():
        try:
            look(run_dir / name)
        except FileNotFoundError:
            continue
        except (ValueError, IsADirectoryError) as error:
            return f"{name} is damaged ({what_is_wrong(error)})"
    return None


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; raises ValueError if there is none."""
    content = path.read_bytes()
    if not content.strip():
        raise ValueError("it is empty")
    found = json.loads(content)
    if not isinstance(found, dict):
        raise ValueError("it holds no JSON object")
    return found


def what_is_wrong(error: BaseException) -> str:
    """Return an error of reading a file in one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 80 else f"{text[:77]}..."


def set_file_aside(path: Path, why: str) -> None:
    """Rename a file that cannot be read, and say so in a line."""
    place = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    path.rename(place)
    log.warning("%s is damaged (%s): set aside as %s", path, why, place.name)


def _summary(path: Path) -> dict[str, Any]:
    summary = read_object(path)
    if not isinstance(summary.get("config"), dict):
        raise ValueError("it has no config")
    if key := next((key for key in NUMBERS if isinstance(summary.get(key), str | bool | list | dict)), None):
        raise ValueError(f"its {key} is no number")
    return summary


def _require_sections(path: Path) -> None:
    content = path.read_bytes()
    if b"\0" in content or b"\npaths:" not in content or not content.endswith(b"\n"):  # the last section
        raise ValueError("it ends too early" if content.strip() else "it is empty")


def _require_rows(path: Path, steps: int) -> None:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - TAIL, 0))
        *_, last, rest = [b"", b"", *file.read().split(b"\n")]
    step = last.partition(b",")[0]
    if rest or not step.isdigit() or int(step) < steps:
        raise ValueError(f"it ends before step {steps}" if size else "it is empty")


def _require_archive(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        raise ValueError("it ends too early" if path.stat().st_size else "it is empty")
