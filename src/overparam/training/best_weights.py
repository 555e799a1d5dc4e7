"""Choosing the weights of a run by an evaluation."""

from typing import Any

import lightning as L
from torch import Tensor

from overparam.errors import ConfigError


class BestWeights(L.Callback):
    """Ends a run with the weights of its best evaluation instead of the last ones.

    Args:
        monitor: the metric, of which the lowest value is best; the first of equal ones.
    """

    def __init__(self, monitor: str = "val_error") -> None:
        self.monitor = monitor
        self.best: float | None = None
        self.weights: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the weights if they are better than all before."""
        if self.monitor not in trainer.callback_metrics:
            known = ", ".join(sorted(trainer.callback_metrics))
            raise ConfigError(
                f"callbacks: {self.monitor} is not evaluated here (data.held_out?): there are {known}"
            )
        value = float(trainer.callback_metrics[self.monitor])
        if self.best is None or value < self.best:
            self.best = value
            self.weights = {name: tensor.detach().clone() for name, tensor in pl_module.state_dict().items()}

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Put the best weights in place."""
        pl_module.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        """Return what a run that is continued needs."""
        return {"best": self.best, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.best, self.weights = state_dict["best"], state_dict["weights"]
