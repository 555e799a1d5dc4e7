"""Hydra's shell over `overparam.sweeps.plan`: a sweeper that trains nothing, but for a search for the threshold."""

from typing import Any

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.overparam_sweeper import OverparamSweeper


class PlanSweeper(OverparamSweeper):
    """Expands a grid as training would, and prints its plan instead; `configs/plan.yaml` selects it."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """See `OverparamSweeper.setup`."""
        if self.threshold is not None:
            from overparam.packs.job import run_job as task_function  # the command's own plans a run
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> list[Any]:
        """Plan the sweep of `hydra.sweeper.params` and the command line's `arguments`.

        With sweep=threshold that of the grid around the threshold, for which alone runs are trained.
        """
        from overparam.sweeps.grid import expand
        from overparam.sweeps.plan import report

        if self.threshold is not None:
            found = self.find_threshold(arguments)
            print(found)
            arguments = [*arguments, found.override]
        runs = expand(self.loader, self.config, self.grid(arguments))
        report([(run.cfg, run.overrides) for run in runs], self.config.plan)
        return []
