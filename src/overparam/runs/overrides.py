"""An override that Hydra refuses, said in one line with a guess at what was meant."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from overparam.compat_hydra import is_group_set_to_null, is_raised_composing
from overparam.errors import did_you_mean, one_line
from overparam.paths import CONFIGS


def explain(error: Exception, config_dir: str | Path | None = None) -> str:
    """Return what Hydra or OmegaConf refused, and which key, group or choice may have been meant.

    Args:
        error: what they raised.
        config_dir: a folder of the caller's own configs, in which there are groups and choices too.
    """
    if is_group_set_to_null(error):
        return "a group is chosen by the name of a file, not null: leave one out with ~, as in ~scheduler"
    folders = [CONFIGS, *([Path(config_dir)] if config_dir else [])]
    said, cause = one_line(error), error.__cause__
    if not said and isinstance(cause, OmegaConfBaseException):
        return f"{cause.full_key}: {one_line(cause)}"
    if isinstance(error, UnicodeDecodeError):
        return f"{', '.join(map(str, undecodable(folders)))}: not UTF-8 ({said})"
    if isinstance(error, RecursionError):
        return "the config never ends: a defaults list names its own file, or a value holds itself"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return _of_a_choice(error.missing_cfg_file, error.options or (), folders) or said
    refused = re.search(r"Could not override '([^']+)'\.(?! Did you mean)", said)
    if refused is None:
        return said
    where, key, cause = said[: refused.start()], refused[1], error.__cause__
    full, parent = str(getattr(cause, "full_key", key)), getattr(cause, "parent_node", None)
    to_add = re.search(r"use (\+\S+.*)", said)
    if full in (groups := _groups(folders)) and to_add:
        return f"{where}{key}: no defaults list has this group: choose from it with {to_add[1]}"
    guess = _beside(cause, parent, groups) if isinstance(parent, DictConfig) else did_you_mean(key, groups)
    adds = f" ({to_add[1]} adds a new one)" if to_add else ""
    return f"{where}{key if key.startswith(full) else full}: the config has no such key{guess}{adds}"


def undecodable(folders: Sequence[Path]) -> list[Path]:
    """Return the config files in folders that are not UTF-8."""
    return [path for folder in folders for path in sorted(folder.rglob("[!.]*.yaml")) if not _is_text(path)]


def _is_text(path: Path) -> bool:
    try:
        path.read_bytes().decode()
    except OSError:
        return True
    except UnicodeDecodeError:
        return False
    return True


def is_refused_config(error: Exception, config_dir: str | Path | None = None) -> bool:
    """Return whether an error is about what a config says: Hydra's, OmegaConf's, or YAML's."""
    if isinstance(error, UnicodeDecodeError):
        return bool(undecodable([CONFIGS, *([Path(config_dir)] if config_dir else [])]))
    known = isinstance(error, HydraException | OmegaConfBaseException | YAMLError)
    return known or is_group_set_to_null(error) or is_raised_composing(error)


def _of_a_choice(missing: str, options: Sequence[str], folders: Sequence[Path]) -> str | None:
    """Return the message about a choice that is not there, such as "model/mpl"; None if its group is not."""
    group = "/".join(missing.split("/")[: 2 if missing.startswith("hydra/") else 1])
    choice = missing.removeprefix(f"{group}/")
    files = [
        path.relative_to(f / group)
        for f in folders
        for path in (f / group).rglob("[!.]*.yaml")
        if path.is_file()
    ]
    known = sorted({*options, *(file.with_suffix("").as_posix() for file in files)})
    if not known or choice == missing:
        return None
    return f"there is no {group}={choice}{did_you_mean(choice, known) or ';'} there are {', '.join(known)}"


def _beside(cause: Any, parent: DictConfig, groups: Sequence[str]) -> str:
    """Return the guess at a key: one of its name elsewhere in the config, or one that stands beside it."""
    wrong, beside = str(cause.key), [str(name) for name in parent]
    if cause.full_key == wrong:  # at the top
        if elsewhere := [key for key in _leaves(parent) if key.endswith(f".{wrong}")]:
            return f"; did you mean {' or '.join(elsewhere)}?"
        beside += groups
    return did_you_mean(wrong, beside)


def _leaves(node: DictConfig) -> Iterator[str]:
    """Yield the dotted keys of all values but Hydra's."""
    plain: Any = OmegaConf.to_container(node)
    waiting = [(str(key), value) for key, value in plain.items() if key != "hydra"]
    while waiting:
        key, value = waiting.pop(0)
        if isinstance(value, dict):
            waiting += [(f"{key}.{name}", child) for name, child in value.items()]
        else:
            yield key


def _groups(folders: Sequence[Path]) -> list[str]:
    """Return the names of all config groups: `model`, `hydra/launcher`."""
    return [path.relative_to(f).as_posix() for f in folders for path in f.rglob("*") if path.is_dir()]
