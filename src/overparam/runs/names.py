"""What a sweep may be called: its name is the folder that its runs go to."""

import os
import sys
from pathlib import Path
from typing import Any

from overparam.errors import ConfigError

TAKEN = {"claims", "data", "report", "studies"}  # folders of the lab's own, beside sweeps or in one
LONGEST = 200  # bytes; a folder's name may have 255, and what stands beside it begins with its name


def logs_folder(logs: Any) -> Path:
    """Return `paths.logs`, the folder that sweeps go to; raises `ConfigError` if it is no text."""
    if not isinstance(logs, str) or not logs:
        raise ConfigError(f"paths.logs must be a folder, got {logs!r}")
    require_text(logs)
    return Path(logs)


def require_text(path: str | Path) -> None:
    """Raise `ConfigError` if a path has bytes that are no UTF-8: tables, pages and configs could not name it."""
    try:
        os.path.abspath(path).encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{path}: its name is not UTF-8: rename it, or take another folder") from None


def folder_name(name: Any) -> str:
    """Return a sweep's name as the name of its folder; an integer, as of `name=2024`, becomes text.

    Raises:
        ConfigError: if it is no name of a single folder, or one that the lab itself uses.
    """
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    if not isinstance(name, str):
        raise ConfigError(f"""name must be text, got {name!r}: quote it, as in "name='2.0'\"""")
    if not name:
        raise ConfigError("name is empty: it is the folder that runs go to")
    if wrong := _wrong(name):
        raise ConfigError(
            f"name={name[:40]!r} {wrong}: it is the one folder that runs go to, below paths.logs"
        )
    return name


def _wrong(name: str) -> str | None:
    """Return what is wrong with a name, or None."""
    if "/" in name or "\\" in name:
        return "is a path (for a folder of sweeps set paths.logs=logs/group)"
    if not name.isprintable():
        return "has a character that cannot be printed"
    if name[0] == ".":
        return "begins with a dot, as only the lab's own folders do"
    if name[0] == " " or name[-1] in ". ":
        return "begins or ends with a space, or ends with a dot"
    if sys.platform == "win32" and set(name) & set('<>:"|?*'):
        return 'has one of <>:"|?*, which Windows allows in no name'
    if len(name.encode()) > LONGEST:
        return f"is longer than {LONGEST} bytes"
    return "is a folder of the lab's own" if name.lower() in TAKEN else None
