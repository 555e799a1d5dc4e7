"""Which file of every config group a run was composed from: `optimizer=sgd` says more than the values it brings."""

from collections.abc import Iterable, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from overparam.errors import ConfigError

CHOICES = "choices"  # the key of a config that holds them; no part of an identity
TARGET_PARAMS = "model.target_params"  # stands among them too: a choice from which a value follows, the width


def record_choices(cfg: DictConfig, chosen: Mapping[str, Any], groups: Iterable[str]) -> None:
    """Write to `cfg.choices` what was chosen of every group but Hydra's own: a name, names, or null.

    Args:
        cfg: a composed config, without `hydra`.
        chosen: `hydra.runtime.choices` of it. Groups that several were chosen of are not in it: their section has an
            entry for each.
        groups: the names of all groups.

    Raises:
        ConfigError: if the config has a key of this name already.
    """
    if CHOICES in cfg:
        raise ConfigError(f"{CHOICES} is where the lab writes what was chosen of every group: rename yours")
    choices: dict[str, Any] = {}
    for group in sorted({*map(str, chosen), *groups}):
        if group.partition("/")[0] == "hydra":
            continue
        section = cfg.get(group)
        if group in chosen:
            choices[group] = chosen[group]
        elif OmegaConf.is_dict(section) and section:
            choices[group] = [str(name) for name in section]
    with open_dict(cfg):
        cfg[CHOICES] = choices


def record_target_params(cfg: DictConfig, params: int) -> None:
    """Write to `cfg.choices` that the width of a resolved config is the one that comes nearest to a size."""
    with open_dict(cfg):
        cfg[CHOICES] = {**cfg.get(CHOICES, {}), TARGET_PARAMS: params}


def flat_choices(choices: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return recorded choices as columns of a table.

    A size that a width was chosen for has the name of its knob, for it is a value, and no name of a file.

    Example:
        >>> flat_choices({"optimizer": "sgd", "callbacks": ["ema", "lr_monitor"], "debug": None})
        {'choices.optimizer': 'sgd', 'choices.callbacks': 'ema,lr_monitor', 'choices.debug': None}
    """
    return {
        group if group == TARGET_PARAMS else f"{CHOICES}.{group}": (
            ",".join(map(str, name)) if isinstance(name, list) else name
        )
        for group, name in (choices or {}).items()
    }
