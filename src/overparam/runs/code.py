"""Which code makes a result: commits, and the content of the files that the classes in use stand in."""

import hashlib
import logging
import os
import subprocess
import sysconfig
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from overparam.runs import secrets
from overparam.runs.damage import damage, read_object
from overparam.runs.identity import resolved_values
from overparam.runs.state import REPLACED, set_aside
from overparam.runs.summary import read_summary

log = logging.getLogger(__name__)

PROVENANCE = "provenance.json"
CALLER = "OVERPARAM_CALLER"  # environment variable: the folder a person gave the command in
PACKAGE = Path(__file__).parents[1]
AFTERWARDS = ("analysis", "claims", "exact", "studies")  # rooms of the package that no training imports
BESIDE = ("tests", "scripts")  # folders of a repository that no training imports


def calling_folder() -> Path:
    """Return the folder that a person gave the command in, also in a worker that was started elsewhere."""
    return Path(os.environ.get(CALLER) or Path.cwd())


def lab_commit() -> str | None:
    """Return the commit of the repository that the lab's package is a part of, if it is of one."""
    return _commit(PACKAGE) if _git(PACKAGE, "ls-files", "__init__.py") else None


def caller_commit() -> str | None:
    """Return the commit of the repository that the command was given in, if it is another than the lab's."""
    tops = {_git(folder, "rev-parse", "--show-toplevel") for folder in (PACKAGE, calling_folder())}
    is_labs = lab_commit() is not None and len(tops) == 1
    return None if is_labs else _commit(calling_folder())


def uncommitted_changes() -> str:
    """Return the diff of tracked files against their commits, the lab's and the caller's; empty if there is none.

    Files that by their names hold secrets are left out.
    """
    folders = [PACKAGE] * (lab_commit() is not None) + [calling_folder()] * (caller_commit() is not None)
    return "".join(_git(folder, "diff", "HEAD", "--", ":(top)", *secrets.FILES) or "" for folder in folders)


def sources(cfg: DictConfig) -> dict[str, str]:
    """Return what the code in use hashes to: the lab's package as a whole, and files of other classes one by one.

    These are the source files outside site-packages of every `_target_` that is part of the run's identity, by their
    paths below the folder that Python finds them in. Nothing is imported.
    """
    files = {_file_of(target) for target in _targets(resolved_values(cfg, only_counting=True))} - {None}
    return {name: digest for name in sorted({PACKAGE.name, *map(str, files)}) if (digest := _hash(name))}


def other_code(run_dir: Path) -> str | None:
    """Return in a few words how the code that made a finished run differs from the code now; None if it does not.

    A file of a class in use whose content is another; or another commit, if Python files outside tests and scripts
    differ between the two; or another content of the lab's package. What is not on record differs in nothing.
    """
    try:
        then = read_object(run_dir / PROVENANCE)
    except (OSError, ValueError):
        return None
    commits = then.get("git_commit"), then.get("caller_commit")
    return _difference(*commits, tuple(sorted(then.get("sources", {}).items())))


def finished_summary(run_dir: Path, retrain: bool) -> dict[str, Any] | None:
    """Return the summary of a run if it is finished and need not be trained again.

    Args:
        run_dir: the run's directory.
        retrain: whether a run that was made by other code is to be trained again; its directory is set aside.

    Raises:
        AlreadyRunning: if another process is training the run, again.
    """
    if said := damage(run_dir):
        log.warning("%s: %s; it is set aside in %s and trained again", run_dir, said, REPLACED)
        set_aside(run_dir)
    summary = read_summary(run_dir)
    if summary is None:
        return None
    code = other_code(run_dir)
    if code and retrain:
        log.info("trained again, for it was made by other code (%s): %s", code, run_dir)
        set_aside(run_dir)
        return read_summary(run_dir)
    log.info("finished before: %s", run_dir)
    if code:
        log.info("it was made by other code (%s); retrain=true trains it again", code)
    return summary


@cache
def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


def _commit(folder: Path) -> str | None:
    head = _git(folder, "rev-parse", "HEAD")
    return head and head.strip()


@cache
def _difference(lab: str | None, caller: str | None, files: tuple[tuple[str, str], ...]) -> str | None:
    changed = [name for name, digest in files if _hash(name) != digest]
    if others := [name for name in changed if name != PACKAGE.name]:
        return f"changed {', '.join(others)}"
    if lab is not None and _python_differs(PACKAGE, lab, lab_commit()):
        return f"commit {lab[:7]}"
    if caller is not None and _python_differs(calling_folder(), caller, caller_commit()):
        return f"commit {caller[:7]}"
    return f"changed {PACKAGE.name}" if changed else None


def _python_differs(folder: Path, then: str, now: str | None) -> bool:
    """Return whether code differs between two commits; of a commit that is not there any more it does."""
    if now is None or then == now:
        return False
    left_out = [f":(top,exclude){name}" for name in BESIDE]
    left_out += [f":(exclude){name}" for name in AFTERWARDS] if folder == PACKAGE else []
    return _git(folder, "diff", "--quiet", then, now, "--", ":(top)*.py", *left_out) is None


@cache
def _hash(name: str) -> str | None:
    """Return a hash of the lab's package, or of a source file as `sources` names it; None if it is gone."""
    content = hashlib.sha256()
    if name == PACKAGE.name:
        for file in sorted(PACKAGE.rglob("*.py")):
            inside = file.relative_to(PACKAGE)
            if inside.parts[0] not in AFTERWARDS:
                content.update(f"{inside.as_posix()}\n".encode() + file.read_bytes())
        return content.hexdigest()[:16]
    found = _found(name.removesuffix(".py").split("/"))
    if found is None or found[0] != name:
        return None
    content.update(found[1].read_bytes())
    return content.hexdigest()[:16]


def _targets(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, child in value.items():
            if key == "_target_":
                yield str(child)
            else:
                yield from _targets(child)
    elif isinstance(value, list):
        for child in value:
            yield from _targets(child)


@cache
def _file_of(target: str) -> str | None:
    """Return the source file of a class or function by the name it has in `sources`, if it is one of a fork's own."""
    top, *rest = target.split(".")
    found = _found([top, *rest])
    if top == PACKAGE.name or found is None:
        return None
    name, file = found
    installed = file.is_relative_to(sysconfig.get_path("stdlib"))
    installed |= not {"site-packages", "dist-packages"}.isdisjoint(file.parts)
    return None if installed else name


def _found(parts: list[str]) -> tuple[str, Path] | None:
    """Return name and path of the Python file that a dotted name leads to, as far as it leads; imports nothing."""
    try:
        spec = find_spec(parts[0])
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations is None:
        is_file = spec.origin is not None and spec.origin.endswith(".py")
        return (f"{parts[0]}.py", Path(str(spec.origin))) if is_file else None
    folders, name = [Path(folder) for folder in spec.submodule_search_locations], parts[0]
    for part in parts[1:]:
        packages = [folder / part for folder in folders if (folder / part / "__init__.py").is_file()]
        modules = [folder / f"{part}.py" for folder in folders if (folder / f"{part}.py").is_file()]
        if modules and not packages:
            return f"{name}/{part}.py", modules[0]
        inner = packages or [folder / part for folder in folders if (folder / part).is_dir()]
        if not inner:
            break
        folders, name = inner, f"{name}/{part}"
    file = folders[0] / "__init__.py"
    return (f"{name}/__init__.py", file) if file.is_file() else None
