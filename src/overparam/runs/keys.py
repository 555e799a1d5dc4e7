"""Keys of a config that nothing would ever read."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from overparam.errors import ConfigError, did_you_mean
from overparam.runs.identity import NOT_IDENTITY, TOP_LEVEL
from overparam.runs.views import check_views

KNOWN = TOP_LEVEL | {key for key in NOT_IDENTITY if "." not in key}
SCATTERED = {
    "experiment",
    "sweep",
    "debug",
    "local",
    "study",
    "claim",
    "theory",
}  # groups whose files set keys of others

# What Hydra would do with folders, as configs/hydra/default.yaml has it: the lab writes no run there.
HYDRAS_FOLDERS = {
    "run.dir": ".",
    "sweep.dir": "${paths.logs}/${name}",
    "sweep.subdir": ".",
    "output_subdir": None,
    "job.chdir": False,
}


def refuse_hydras_folders(hydra: Any) -> None:
    """Refuse to have set where Hydra would have runs write, which has no effect; raises `ConfigError`.

    Args:
        hydra: the section `hydra` of a config.
    """
    plain: Any = OmegaConf.to_container(hydra)
    for key, usual in HYDRAS_FOLDERS.items():
        section, _, name = key.rpartition(".")
        if (plain[section] if section else plain).get(name) not in (usual, None):
            raise ConfigError(
                f"hydra.{key} has no effect here: runs go to <paths.logs>/<name>/<identity>: set paths.logs and name"
            )


def refuse_unknown_keys(cfg: DictConfig, groups: Iterable[str]) -> None:
    """Refuse top-level keys that the lab does not know, that are no config group, and that no value refers to.

    A run's directory, which the lab fills in, is refused too.

    Args:
        cfg: a composed config.
        groups: names of the config groups that there are, see `compat_hydra.config_groups`.

    Raises:
        ConfigError: if there is such a key; names what may have been meant.
    """
    known = KNOWN | (set(groups) - SCATTERED)
    plain: Any = OmegaConf.to_container(cfg)
    check_views(plain)
    refuse_filled_in(f"paths.{key}" for key, value in plain.get("paths", {}).items() if value is not None)
    for key in map(str, plain):
        others = [child for name, child in plain.items() if str(name) != key]
        if key not in known and not any(_refers_to(text, key) for text in interpolations(others)):
            raise ConfigError(
                f"{key}: the config has no such key, and no value refers to it{did_you_mean(key, known)}"
            )


def refuse_filled_in(keys: Iterable[str]) -> None:
    """Refuse to have set what the lab fills in, by the full names of the keys that are set."""
    if "paths.run" in keys:
        raise ConfigError("paths.run is filled in, <paths.logs>/<name>/<identity>: set paths.logs or name")


def interpolations(value: Any) -> Iterator[str]:
    """Yield all texts in a value that refer to other values."""
    if isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from interpolations(child)
    elif isinstance(value, str) and "${" in value:
        yield value


def _refers_to(text: str, key: str) -> bool:
    """Return whether `${key}`, `${key.x}`, `${..key}` or `${resolver:key}` is in a text."""
    return re.search(rf"(\{{\.*|[:,]\s*){re.escape(key)}\b", text) is not None
