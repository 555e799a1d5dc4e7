"""Which code makes a result: commits, and the content of the files that the classes in use stand in."""

import hashlib
import logging
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from overparam.runs import git
from overparam.runs.damage import damage, read_object
from overparam.runs.identity import counts
from overparam.runs.state import REPLACED, set_aside
from overparam.runs.summary import read_summary

log = logging.getLogger(__name__)

PROVENANCE = "provenance.json"
CALLER = "OVERPARAM_CALLER"  # environment variable: the folder a person gave the command in
PACKAGE = Path(__file__).parents[1]
AFTERWARDS = ("analysis", "claims", "exact", "studies")  # rooms of the package that no training imports
STANDARD_LIBRARY = sysconfig.get_path("stdlib") + os.sep
SITES = {"site-packages", "dist-packages"}
BESIDE = ("tests", "scripts")  # folders of a repository that no training imports


def calling_folder() -> Path:
    """Return the folder that a person gave the command in, also in a worker that was started elsewhere."""
    return Path(os.environ.get(CALLER) or Path.cwd())


def lab_commit() -> git.Answer:
    """Return the commit of the repository that the lab's package is a part of, if it is of one."""
    listed = git.ask(PACKAGE, "ls-files", "__init__.py")
    if listed.problem or listed.output:
        return git.commit(PACKAGE)
    return git.Answer(problem="the package is not tracked by the repository that it lies in")


def caller_commit() -> git.Answer | None:
    """Return the commit of the repository that the command was given in; None if it is the lab's."""
    is_labs = lab_commit().output and git.top(PACKAGE) == git.top(calling_folder())
    return None if is_labs else git.commit(calling_folder())


def uncommitted_changes() -> bytes:
    """Return the diff of tracked files against their commits, the lab's and the caller's; empty if there is none.

    Files that by their names hold secrets are left out.
    """
    return b"".join(git.changes(folder) for folder in _repositories())


def untracked_sources(names: Iterable[str]) -> dict[str, str]:
    """Return what the Python files in use hash to that no commit has, by their paths below the repository's top.

    In use are modules that this process has imported, the lab's package, and the files of `sources`, by name.
    """
    loaded = frozenset(str(getattr(module, "__file__", "")) for module in list(sys.modules.values()))
    return dict(_untracked(loaded, frozenset(names), tuple(_repositories())))


@lru_cache(maxsize=8)  # the members of a pack ask it one after the other, and importing code is rare by then
def _untracked(loaded: frozenset[str], names: frozenset[str], folders: tuple[Path, ...]) -> dict[str, str]:
    files = {Path(file).resolve() for file in loaded if file.endswith(".py") and not _is_installed(file)}
    files |= {found[1].resolve() for name in names if (found := _found(name.removesuffix(".py").split("/")))}
    files |= {file for file in PACKAGE.rglob("*.py") if file.relative_to(PACKAGE).parts[0] not in AFTERWARDS}
    hashes = {}
    for folder in folders:
        top, known = Path(git.top(folder) or folder), git.tracked(folder)
        for file in files:
            if file.is_relative_to(top) and file.is_file():
                name = file.relative_to(top).as_posix()
                if name not in known:
                    hashes[as_text(name)] = _content_hash(file)
    return dict(sorted(hashes.items()))


def _repositories() -> list[Path]:
    caller = caller_commit()
    return [PACKAGE] * bool(lab_commit().output) + [calling_folder()] * bool(caller and caller.output)


def as_text(text: str) -> str:
    """Return a word of the system's, such as a path, as text that can be written anywhere: other bytes as codes."""
    return os.fsencode(text).decode(errors="backslashreplace")


def sources(cfg: DictConfig) -> dict[str, str]:
    """Return what the code in use hashes to: the lab's package as a whole, and files of other classes one by one.

    These are the source files outside site-packages of every `_target_` that is part of the run's identity, by their
    paths below the folder that Python finds them in. Nothing is imported.
    """
    parts = {key: cfg[key] for key in cfg if key != "hydra" and counts(str(key))}
    plain = (
        OmegaConf.to_container(part, resolve=True) for part in parts.values() if OmegaConf.is_config(part)
    )
    files = {_file_of(target) for part in plain for target in _targets(part)} - {None}
    return {name: digest for name in sorted({PACKAGE.name, *map(str, files)}) if (digest := _hash(name))}


def recorded_files(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Return what the files that made a run hash to; without a record of them, the lab's package is its commit."""
    files, commit = provenance.get("sources"), provenance.get("git_commit")
    if not files and commit:
        files = {PACKAGE.name: commit}
    return {**(files or {}), **(provenance.get("untracked") or {})}


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
    recorded = (tuple(sorted((then.get(key) or {}).items())) for key in ("sources", "untracked"))
    return _difference(*commits, *recorded)


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
        log.info("%s: trained again, for it was made by other code (%s)", run_dir.name, code)
        set_aside(run_dir)
        return read_summary(run_dir)
    log.info("%s: finished before", run_dir.name)
    if code:
        log.info("it was made by other code (%s); retrain=true trains it again", code)
    return summary


@cache
def _difference(
    lab: str | None,
    caller: str | None,
    files: tuple[tuple[str, str], ...],
    untracked: tuple[tuple[str, str], ...],
) -> str | None:
    changed = [name for name, digest in files if _hash(name) != digest]
    changed += [name for name, digest in untracked if digest not in _hashes_below_tops(name)]
    if others := sorted({name for name in changed if name != PACKAGE.name}):
        return f"changed {', '.join(others)}"
    if lab is not None and _python_differs(PACKAGE, lab, lab_commit().text or None):
        return f"commit {lab[:7]}"
    now = caller_commit()
    if caller is not None and _python_differs(calling_folder(), caller, (now and now.text) or None):
        return f"commit {caller[:7]}"
    return f"changed {PACKAGE.name}" if changed else None


def _hashes_below_tops(name: str) -> list[str]:
    """Return what the files of this name in the lab's and the caller's repository hash to."""
    paths = [Path(git.top(folder) or folder, name) for folder in (PACKAGE, calling_folder())]
    return [_content_hash(path) for path in paths if path.is_file()]


def _python_differs(folder: Path, then: str, now: str | None) -> bool:
    """Return whether code differs between two commits; of a commit that is not there any more it does."""
    if now is None or then == now:
        return False
    left_out = [f":(top,exclude){name}" for name in BESIDE]
    left_out += [f":(exclude){name}" for name in AFTERWARDS] if folder == PACKAGE else []
    return git.ask(folder, "diff", "--quiet", then, now, "--", ":(top)*.py", *left_out).problem is not None


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
    return _content_hash(found[1])


def _content_hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


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
    found = None if target.split(".")[0] == PACKAGE.name else own_file(target)
    return found and found[0]


def own_file(target: str) -> tuple[str, Path] | None:
    """Return name and path of the source file a dotted name leads to, if it is the lab's or a fork's; imports nothing.

    The name is the path below the folder that Python finds it in.
    """
    parts = target.split(".")
    found = _found(parts)
    if found is None or (parts[0] != PACKAGE.name and _is_installed(str(found[1]))):
        return None
    return found


@cache  # every run of a sweep asks it of each of the thousands of modules that are imported
def _is_installed(file: str) -> bool:
    return file.startswith(STANDARD_LIBRARY) or not SITES.isdisjoint(Path(file).parts)


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
