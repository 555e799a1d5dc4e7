"""What runs a folder holds and whether they changed, by one look at each: nothing is read, nothing heavy imported."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from overparam.runs.metrics import METRICS
from overparam.runs.names import require_text
from overparam.runs.state import FAILURE
from overparam.runs.summary import SUMMARY

REPORT, CONFIG = "report", "config.yaml"
MADE_FROM = "made_from.txt"  # in a report's folder: the fingerprint of what it shows
CODE = Path(__file__).parents[1]


def stamp(run_dir: str) -> str:
    """Return what changes when the run has something new to say; empty if this is no run's directory."""
    if seen := _modified(run_dir, SUMMARY):
        return seen
    config, failure = _modified(run_dir, CONFIG), _modified(run_dir, FAILURE)
    return " ".join([failure, _modified(run_dir, METRICS), config]) if config or failure else ""


def _modified(run_dir: str, name: str) -> str:
    try:
        stat = os.stat(f"{run_dir}/{name}")
    except OSError:
        return ""
    return f"{name}:{stat.st_mtime_ns}:{stat.st_size}"


def stamped_runs(sweep: Path) -> dict[str, str]:
    """Return the stamps of a sweep's runs by their names, in order."""
    stamps = ((name, stamp(f"{sweep}/{name}")) for name in _subfolders(sweep))
    return {name: seen for name, seen in stamps if seen}


def find_sweeps(folders: Iterable[str | Path]) -> dict[Path, dict[str, str]]:
    """Return the sweep folders among and directly below `folders`, each with its `stamped_runs`.

    A run's directory among `folders` stands for that run alone.

    Raises:
        FileNotFoundError: if there is no run.
    """
    found: dict[Path, dict[str, str]] = {}
    given = [Path(folder) for folder in folders]
    for folder in given:
        require_text(folder)
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is not a folder")
        if own := stamp(str(folder)):
            found.setdefault(folder.parent, {})[folder.name] = own
        elif runs := stamped_runs(folder):
            found[folder] = runs
        else:
            below = {sweep: stamped_runs(sweep) for sweep in map(folder.joinpath, _subfolders(folder))}
            found |= {sweep: runs for sweep, runs in below.items() if runs}
    if not found:
        raise FileNotFoundError(f"no run in {', '.join(map(str, given))}: a run's directory holds a {CONFIG}")
    return found


def _subfolders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.name[0] != "." and os.path.isdir(entry.path))


def fingerprint(stamps: dict[str, str]) -> str:
    """Return what changes when one of the runs does, or the code that reads them."""
    code = max(file.stat().st_mtime_ns for file in CODE.rglob("*.*") if file.suffix != ".pyc")
    return hashlib.sha256(f"{code} {stamps}".encode()).hexdigest()


def is_reported(sweep: Path) -> bool:
    """Return whether the sweep's report shows what its runs say now."""
    made_from = sweep / REPORT / MADE_FROM
    return made_from.is_file() and made_from.read_bytes() == fingerprint(stamped_runs(sweep)).encode()
