"""A callback of Hydra's for sweeps of any sweeper: an edit of a config file changes no trial of a search that runs."""

from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig


class ConfigsAsTheyBegan(Callback):
    """Has every job of a sweep composed from the config files as they were at its start.

    The lab's own sweeper plans all runs at the start. A search chooses its trials as it goes, and each is composed when
    its turn comes, maybe hours later.
    """

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Read all config files, before the sweeper and the launcher are made."""
        from hydra.core.global_hydra import GlobalHydra

        from overparam.compat_hydra import keep_configs

        keep_configs(GlobalHydra.instance().config_loader(), config.hydra.searchpath)
