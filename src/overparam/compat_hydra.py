"""Every private or undocumented API of Hydra that the lab uses, each with the reason.

`tests/test_compat_hydra.py` checks that each still does what is relied on.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn
from omegaconf import DictConfig, open_dict

# The module of Hydra's default launcher, to tell that jobs run in this process; it has no public name.
BASIC_LAUNCHER = "hydra._internal.core_plugins.basic_launcher"


def config_groups(loader: ConfigLoader, choices: Iterable[object]) -> set[str]:
    """Return the names of the config groups that there are: those the loader sees, and those that were chosen from.

    `list_groups` serves Hydra's shell completion; it does not see the folders of `hydra.searchpath`.

    Args:
        loader: Hydra's config loader.
        choices: keys of `hydra.runtime.choices` of a composed config.
    """
    names = [*loader.list_groups(""), *map(str, choices)]
    return {re.split("[/@]", name)[0] for name in names}


def compose_job(
    loader: ConfigLoader, master: DictConfig, overrides: Sequence[str]
) -> tuple[DictConfig, set[str]]:
    """Return the config that a launcher composes for a job of a sweep, without `hydra`; and see `config_groups`.

    `load_sweep_config` is what Hydra's launchers call, and the one way to compose with the sweep's own search path
    and cached values; it is not documented.
    """
    cfg = loader.load_sweep_config(master, list(overrides))
    groups = config_groups(loader, cfg.hydra.runtime.choices)
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg, groups


def result_of(job: JobReturn) -> Any:
    """Return what a job returned, or the exception it raised.

    The public `return_value` raises the exception, after a line on stderr for each.
    """
    return job._return_value


def is_group_set_to_null(error: Exception) -> bool:
    """Return whether Hydra refused `group=null`, for which it has no exception of its own."""
    return isinstance(error, ValueError) and str(error).startswith("Config group override must be a string")
