"""Hydra's shell over `overparam.sweeps`: a sweeper that knows which runs are finished."""

from functools import partial
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.overparam_launcher import isolate


class OverparamSweeper(BasicSweeper):
    """Expands a grid as Hydra's basic sweeper does, trains what is not finished, and reports at the end."""

    def __init__(self, params: dict[str, str] | None, max_attempts: int, fail_fast: bool) -> None:
        super().__init__(max_batch_size=None, params=params)
        self.max_attempts, self.fail_fast = max_attempts, fail_fast

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Let Hydra make the launcher."""
        target = str(config.hydra.launcher._target_)
        if "ray_launcher" in target or "submitit_launcher" in target:
            task_function = isolate
        elif target.endswith("BasicLauncher") and self.fail_fast:
            task_function = partial(_until_it_fails, task_function)
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> list[Any]:
        """Run the sweep of `hydra.sweeper.params` and the command line's `arguments`."""
        from overparam.sweeps.sweep import run_sweep

        assert self.config is not None
        assert self.hydra_context is not None
        assert self.launcher is not None
        loader, grid = self.hydra_context.config_loader, self.grid(arguments)
        return run_sweep(loader, self.config, grid, self.launcher, self.max_attempts, self.fail_fast)

    def grid(self, arguments: list[str]) -> list[Any]:
        """Return the overrides of every point of `hydra.sweeper.params` and the command line's `arguments`."""
        assert self.hydra_context is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        overrides = parser.parse_overrides([*self._parse_config(), *arguments])
        (grid,) = self.split_arguments(overrides, max_batch_size=None)
        return grid


def _until_it_fails(task_function: TaskFunction, cfg: DictConfig) -> Any:
    from overparam.runs.state import AlreadyRunning, FirstFailure

    try:
        return task_function(cfg)
    except AlreadyRunning:
        raise
    except Exception as error:  # Hydra's launcher would go on
        raise FirstFailure from error
