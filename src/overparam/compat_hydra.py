"""Every private or undocumented API of Hydra that the lab uses, each with the reason.

`tests/test_compat_hydra.py` checks that each still does what is relied on.
"""

import copy
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn
from omegaconf import DictConfig, OmegaConf, open_dict

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
) -> tuple[DictConfig, dict[str, Any], set[str]]:
    """Return the config that a launcher composes for a job of a sweep, without `hydra`.

    Beside it: what was chosen of each group (`hydra.runtime.choices`), and `config_groups`.

    `load_sweep_config` is what Hydra's launchers call, and the one way to compose with the sweep's own search path
    and cached values; it is not documented.
    """
    cfg = loader.load_sweep_config(master, list(overrides))
    chosen: Any = OmegaConf.to_container(cfg.hydra.runtime.choices)
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg, chosen, config_groups(loader, chosen)


def with_planned_configs(
    loader: ConfigLoader, planned: Callable[[Sequence[str]], DictConfig | None]
) -> ConfigLoader:
    """Return a loader for launchers that has the configs of some jobs at hand, and composes the others.

    Every launcher composes a job by `load_sweep_config` of the loader it was set up with, here, in a worker or on
    another machine; it is not documented.

    Args:
        loader: Hydra's own.
        planned: an importable function from a job's overrides to its config, without `hydra`, or to None.
    """
    own = copy.copy(loader)
    own.load_sweep_config = partial(_load_sweep_config, loader, planned)  # type: ignore[method-assign]
    return own


def _load_sweep_config(
    loader: ConfigLoader,
    planned: Callable[[Sequence[str]], DictConfig | None],
    master: DictConfig,
    overrides: Sequence[str],
) -> DictConfig:
    job = planned(overrides)
    if job is None:
        return loader.load_sweep_config(master, list(overrides))
    cfg = OmegaConf.masked_copy(master, ["hydra"])  # with its types, which Hydra asks for
    OmegaConf.set_struct(cfg, False)
    cfg.merge_with(job)
    OmegaConf.set_struct(cfg, True)
    OmegaConf.copy_cache(from_config=master, to_config=cfg)
    return cfg


def result_of(job: JobReturn) -> Any:
    """Return what a job returned, or the exception it raised.

    The public `return_value` raises the exception, after a line on stderr for each.
    """
    return job._return_value


def is_group_set_to_null(error: Exception) -> bool:
    """Return whether Hydra refused `group=null`, for which it has no exception of its own."""
    return isinstance(error, ValueError) and str(error).startswith("Config group override must be a string")
