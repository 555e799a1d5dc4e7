"""The checkpoint a killed run continues from."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint

from overparam import compat
from overparam.randomness import generator_states, restore_generators
from overparam.runs.provenance import record_resumption


class TimedCheckpoint(Checkpoint):
    """Writes one full checkpoint every so many seconds, replacing the one before.

    The file is complete whenever it exists: it is written beside its place and then renamed. It holds the global
    random generators, and a run may go on from it with steps fused or one by one.

    Args:
        path: where the checkpoint stands.
        seconds: least time between two.
        run_dirs: of the runs that are trained, whose provenance says where they were continued.
        final: where the state at the last step is kept; None is nowhere.
    """

    def __init__(
        self, path: Path, seconds: float, run_dirs: Sequence[Path], final: Path | None = None
    ) -> None:
        self.path, self.seconds, self.run_dirs, self.final = path, seconds, run_dirs, final
        self._last, self._step = time.monotonic(), 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self._last, self._step = time.monotonic(), trainer.global_step

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write if it is time. Runs after every other callback, so the metrics of this step are on disk."""
        is_between_steps, self._step = trainer.global_step != self._step, trainer.global_step
        due = is_between_steps and time.monotonic() - self._last >= self.seconds
        if trainer.world_size > 1:
            due = trainer.strategy.broadcast(due)  # all processes must save, or none
        if due:
            self._write(trainer, self.path)
            self._last = time.monotonic()
        if self.final is not None and is_between_steps and trainer.global_step == trainer.max_steps:
            self._write(trainer, self.final)

    @staticmethod
    def _write(trainer: L.Trainer, path: Path) -> None:
        beside = path.with_name(f".{path.name}.part")
        trainer.save_checkpoint(beside)
        if trainer.is_global_zero:
            beside.replace(path)

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep the state of the global generators, which dropout draws from, on all processes the same."""
        checkpoint["rng"] = generator_states(trainer.strategy.root_device)

    def on_load_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Continue the global generators where the checkpoint left them, and count the loader's batches anew."""
        if trainer.is_global_zero:
            for run_dir in self.run_dirs:
                record_resumption(run_dir, checkpoint["global_step"])
        restore_generators(trainer.strategy.root_device, checkpoint["rng"])
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        loader = data.train_dataloader() if hasattr(data, "fused") else None
        if loader is not None:
            step = checkpoint["global_step"]
            compat.set_progress(checkpoint, loader.batches_before(step), step)
