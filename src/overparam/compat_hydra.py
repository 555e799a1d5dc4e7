"""Every private or undocumented API of Hydra that the lab uses, each with the reason.

`tests/test_compat_hydra.py` checks that each still does what is relied on.
"""

from collections.abc import Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn
from omegaconf import DictConfig, open_dict

# The module of Hydra's default launcher, to tell that jobs run in this process; it has no public name.
BASIC_LAUNCHER = "hydra._internal.core_plugins.basic_launcher"


def compose_job(loader: ConfigLoader, master: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """Return the config that a launcher composes for a job of a sweep, without `hydra`.

    `load_sweep_config` is what Hydra's launchers call, and the one way to compose with the sweep's own search path
    and cached values; it is not documented.
    """
    cfg = loader.load_sweep_config(master, list(overrides))
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg


def result_of(job: JobReturn) -> Any:
    """Return what a job returned, or the exception it raised.

    The public `return_value` raises the exception, after a line on stderr for each.
    """
    return job._return_value
