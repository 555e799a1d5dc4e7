"""The checkpoint a killed run continues from, and the name of the weights a finished one leaves."""

import time
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint

WEIGHTS = "weights.pt"


class TimedCheckpoint(Checkpoint):
    """Writes one full checkpoint every so many seconds, replacing the one before.

    Lightning's ModelCheckpoint ignores its time interval when a module optimizes by hand (2.6). The file is
    complete whenever it exists: it is written beside its place and then renamed.

    Args:
        path: where the checkpoint stands.
        seconds: least time between two.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self.path, self.seconds = path, seconds
        self._last = time.monotonic()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self._last = time.monotonic()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write if it is time. Runs after every other callback, so the metrics of this step are on disk."""
        due = time.monotonic() - self._last >= self.seconds
        if trainer.world_size > 1:
            due = trainer.strategy.broadcast(due)  # all processes must save, or none
        if due:
            beside = self.path.with_name(f".{self.path.name}.part")
            trainer.save_checkpoint(beside)
            if trainer.is_global_zero:
                beside.replace(self.path)
            self._last = time.monotonic()
