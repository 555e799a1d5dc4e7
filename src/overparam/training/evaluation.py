"""Train and test error over a run: eval mode, whole splits, log-spaced steps."""

import math
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch import Tensor

from overparam.data.module import PoolDataModule, Split
from overparam.errors import ExpectedError
from overparam.training.module import Loss, per_sample_loss

# What an evaluation writes into a row of metrics.csv; further columns are measures.
COLUMNS = (
    "step",
    "train_loss",
    "train_error",
    "train_error_clean",
    "train_error_noisy",
    "test_loss",
    "test_error",
)


class Diverged(ExpectedError):
    """The training loss is no longer finite."""


def log_spaced_steps(max_steps: int, per_decade: int) -> list[int]:
    """Return 0, 1, ... max_steps with about `per_decade` steps a factor of ten, each once.

    Example:
        >>> log_spaced_steps(100, 3)
        [0, 1, 2, 5, 10, 22, 46, 100]
    """
    count = math.ceil(per_decade * math.log10(max(max_steps, 1)))
    spaced = {round(10 ** (i / per_decade)) for i in range(count)}
    return sorted({0, max_steps} | {step for step in spaced if step < max_steps})


def per_sample_error(outputs: Tensor, y: Tensor) -> Tensor:
    """Return the 0-1 error [N] against classes [N], or the squared error averaged over targets [N, K]."""
    if y.is_floating_point():
        return (outputs - y.to(outputs.dtype)).square().mean(1)
    return (outputs.argmax(1) != y).float()


@torch.no_grad()
def evaluate(
    forward: Callable[[Tensor], Tensor], split: Split, loss: Loss, batch_size: int
) -> dict[str, float]:
    """Return loss and error over a whole split, and the error on its clean and on its noisy samples.

    Sums are kept on the device and read once. A group without samples is NaN.
    """
    device = split.y.device
    dtype = torch.float32 if device.type == "mps" else torch.float64  # MPS has no float64
    totals = torch.zeros(4, dtype=dtype, device=device)
    for x, y, noisy in split.batches(batch_size):
        outputs = forward(x)
        error = per_sample_error(outputs, y)
        summands = (per_sample_loss(loss, outputs, y), error, error * noisy, noisy)
        totals += torch.stack([summand.to(dtype).sum() for summand in summands])
    mean_loss, mean_error, both, share = (totals / len(split)).tolist()
    return {
        "loss": mean_loss,
        "error": mean_error,
        "error_clean": (mean_error - both) / (1 - share) if share < 1 else math.nan,
        "error_noisy": both / share if share > 0 else math.nan,
    }


class Evaluation(L.Callback):
    """Logs `train_*` and `test_*` loss and error at step 0, at log-spaced steps and at the end.

    Metrics are of eval mode over the full training set and the full test set. Raises `Diverged` when the
    training loss is not finite. Under DDP every process evaluates everything and comes to the same numbers.

    Args:
        per_decade: evaluations a factor of ten in steps.
        batch_size: samples a forward pass.
    """

    def __init__(self, per_decade: int = 10, batch_size: int = 2048) -> None:
        if per_decade < 1:
            raise ValueError(f"evaluation.per_decade must be a positive integer, got {per_decade}")
        self.per_decade, self.batch_size = per_decade, batch_size

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Settle the steps, and have the loader end a chunk at each of them."""
        self.steps = set(log_spaced_steps(trainer.max_steps, self.per_decade))
        self._data(trainer).cuts = sorted(self.steps)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Evaluate the initial network (a resumed run has done so already)."""
        if trainer.global_step == 0:
            self._log(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Evaluate if the chunk ended at one of the steps."""
        if trainer.global_step in self.steps:
            self._log(trainer, pl_module)

    def _data(self, trainer: L.Trainer) -> PoolDataModule:
        return trainer.datamodule  # type: ignore[attr-defined]

    def _log(self, trainer: L.Trainer, module: Any) -> None:
        data = self._data(trainer)
        module.eval()
        with trainer.precision_plugin.val_step_context():
            train = evaluate(module, data.train, module.loss, self.batch_size)
            test = evaluate(module, data.test, module.loss, self.batch_size)
        module.train()
        row = {f"train_{name}": value for name, value in train.items()}
        row |= {"test_loss": test["loss"], "test_error": test["error"]}
        for logger in trainer.loggers:
            logger.log_metrics(row, step=trainer.global_step)
        if not math.isfinite(train["loss"]):
            raise Diverged(f"training loss is {train['loss']} at step {trainer.global_step}")
