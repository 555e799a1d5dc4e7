"""Hydra's shell over `overparam.sweeps.plan`: a sweeper that trains nothing."""

from typing import Any

from hydra_plugins.overparam_sweeper import OverparamSweeper


class PlanSweeper(OverparamSweeper):
    """Expands a grid as training would, and prints its plan instead; `configs/plan.yaml` selects it."""

    def sweep(self, arguments: list[str]) -> list[Any]:
        """Plan the sweep of `hydra.sweeper.params` and the command line's `arguments`."""
        from overparam.sweeps.grid import expand
        from overparam.sweeps.plan import report

        runs = expand(self.loader, self.config, self.grid(arguments))
        report([(run.cfg, run.overrides) for run in runs], self.config.plan)
        return []
