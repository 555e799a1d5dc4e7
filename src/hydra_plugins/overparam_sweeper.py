"""Hydra's shell over `overparam.sweeps`: a sweeper that knows which runs are finished."""

from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser


class OverparamSweeper(BasicSweeper):
    """Expands a grid as Hydra's basic sweeper does, trains what is not finished, and reports at the end."""

    def __init__(self, params: dict[str, str] | None = None) -> None:
        super().__init__(max_batch_size=None, params=params)

    def sweep(self, arguments: list[str]) -> list[Any]:
        """Run the sweep of `hydra.sweeper.params` and the command line's `arguments`."""
        from overparam.sweeps.run import run_sweep

        assert self.config is not None
        assert self.hydra_context is not None
        assert self.launcher is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        overrides = parser.parse_overrides([*self._parse_config(), *arguments])
        (grid,) = self.split_arguments(overrides, max_batch_size=None)
        return run_sweep(self.hydra_context.config_loader, self.config, grid, self.launcher)


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="overparam",
    node={"_target_": "hydra_plugins.overparam_sweeper.OverparamSweeper", "params": None},
    provider="overparam",
)
