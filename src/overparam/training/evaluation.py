"""Train, test and validation error over a run: eval mode, whole splits, log-spaced steps."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import lightning as L
import torch
from torch import Tensor

from overparam.errors import ConfigError
from overparam.machine import has_float64
from overparam.ranges import PositiveInt
from overparam.runs.state import Diverged
from overparam.training.module import NEVER
from overparam.training.objective import Loss, error

# What an evaluation writes into a row of metrics.csv; further columns are measures, or what a module logs.
COLUMNS = (
    *("step", "train_loss", "train_error", "train_error_clean", "train_error_noisy"),
    *("test_loss", "test_error", "val_loss", "val_error"),
)


class Evaluated(Protocol):
    """Samples that a network, or all members of a pack, can be evaluated on."""

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor | None]]:
        """Iterate (x, y, noisy, valid), the last None if all samples count."""
        ...

    def first(self, samples: int) -> "Evaluated":
        """Return a fixed sample of the split."""
        ...


@dataclass
class Followed:
    """A run whose evaluations are written down: where to, and whether it diverged."""

    loggers: list[Any] = field(default_factory=list)
    diverged: Diverged | None = None
    only_keeps_place: bool = False  # of a pack: nothing of it is written down

    @property
    def is_followed(self) -> bool:
        """Whether it has something to show yet."""
        return self.diverged is None and not self.only_keeps_place

    def diverge(self, error: Diverged) -> None:
        """Be diverged from now on."""
        self.diverged = error


def log_spaced_steps(max_steps: int, per_decade: int) -> list[int]:
    """Return 0, 1, ... max_steps with about `per_decade` steps a factor of ten, each once.

    Example:
        >>> log_spaced_steps(100, 3)
        [0, 1, 2, 5, 10, 22, 46, 100]
    """
    count = math.ceil(per_decade * math.log10(max(max_steps, 1)))
    spaced = {round(10 ** (i / per_decade)) for i in range(count)}
    return sorted({0, max_steps} | {step for step in spaced if step < max_steps})


@torch.no_grad()
def evaluate_members(
    forward: Callable[[Tensor], Tensor], split: Evaluated, loss: Loss, batch_size: int
) -> list[dict[str, float]]:
    """Return loss and error over a whole split, and the error on its clean and on its noisy samples, of each member.

    Sums are kept on the device and read once. A group without samples is NaN.

    Args:
        forward: a network, [N, *input_shape] -> [N, K], or a pack, [R, N, *input_shape] -> [M, K, N].
        split: the samples.
        loss: from outputs and y to losses.
        batch_size: samples of a member in a forward pass.
    """
    sums: Any = 0
    count: Any = 0
    for x, y, noisy, valid in split.batches(batch_size):
        dtype = torch.float64 if has_float64(y.device) else torch.float32
        outputs = forward(x)
        errors = error(outputs, y)
        values = [loss(outputs, y), errors, errors * noisy, noisy]
        if valid is not None:  # a padded sample counts nothing, not even if its member's outputs are NaN
            values = [torch.where(valid, value, 0) for value in values]
        sums = sums + torch.stack([value.to(dtype).sum(-1) for value in values]).view(len(values), -1)
        count = count + (y.shape[0] if valid is None else valid.sum(-1).to(dtype))
    return [
        {
            "loss": mean_loss,
            "error": mean_error,
            "error_clean": (mean_error - both) / (1 - share) if share < 1 else math.nan,
            "error_noisy": both / share if share > 0 else math.nan,
        }
        for mean_loss, mean_error, both, share in (sums / count).T.tolist()
    ]


def evaluate(
    forward: Callable[[Tensor], Tensor], split: Evaluated, loss: Loss, batch_size: int
) -> dict[str, float]:
    """Return what `evaluate_members` does, of one network."""
    (found,) = evaluate_members(forward, split, loss, batch_size)
    return found


class Evaluation(L.Callback):
    """Evaluates at step 0, at log-spaced steps and at the end, as a validation of Lightning's that happens there.

    The values of a row, `train_*`, `test_*` and with a validation split `val_*`, go to the loggers of each run and
    into `trainer.callback_metrics`; other callbacks' validation hooks are called; and schedules that need a metric are
    stepped. A run whose training loss is not finite is marked diverged, and training stops when all are.
    Under DDP every process evaluates everything and comes to the same numbers.

    Args:
        per_decade: evaluations a factor of ten in steps.
        batch_size: samples a forward pass.
        train_samples: how many training samples the training error is measured on; None is all.
        test_samples: how many samples of a stream the test and validation errors are measured on; None is all.
    """

    def __init__(
        self,
        per_decade: PositiveInt = 10,
        batch_size: PositiveInt = 2048,
        train_samples: PositiveInt | None = None,
        test_samples: PositiveInt | None = None,
    ) -> None:
        for name, value in (
            ("per_decade", per_decade),
            ("batch_size", batch_size),
            ("train_samples", train_samples),
            ("test_samples", test_samples),
        ):
            if value is not None and value < 1:
                raise ValueError(f"evaluation.{name} must be a positive integer, got {value}")
        self.per_decade, self.batch_size = per_decade, batch_size
        self.train_samples, self.test_samples = train_samples, test_samples
        self.last_step, self.last_row = -1, {"": math.nan}

    def follow(
        self,
        data: Any,
        loss: Loss,
        runs: Sequence[Followed],
        measure: Callable[[L.Trainer, Any], dict[str, float]] | None = None,
    ) -> "Evaluation":
        """Return this callback, told what it evaluates.

        Args:
            data: has the `splits`.
            loss: from outputs and y to losses.
            runs: what is trained: one, or the members of a pack.
            measure: what else is to be known of one run, as further columns.
        """
        self.data, self.loss, self.runs, self.measure = data, loss, runs, measure
        return self

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Settle the steps, and have the loader end a chunk of steps at each of them."""
        self.steps = set(log_spaced_steps(trainer.max_steps, self.per_decade))
        self.data.cuts = sorted(self.steps)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Evaluate the initial network (a resumed run has done so already)."""
        self.last_step = trainer.global_step or -1
        if trainer.global_step == 0:
            self._evaluate(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Evaluate after one of the steps."""
        if trainer.global_step in self.steps and trainer.global_step != self.last_step:
            self._evaluate(trainer, pl_module)

    def finish(self, trainer: L.Trainer, module: Any, is_changed: bool) -> None:
        """Evaluate the network as it will be saved, unless that has been done.

        Args:
            trainer: after `fit`.
            module: what it has trained.
            is_changed: whether callbacks may have changed it after the last step.
        """
        if is_changed or self.last_step != trainer.global_step:
            self._write(trainer, module, again=self.last_step == trainer.global_step)

    def _evaluate(self, trainer: L.Trainer, module: Any) -> None:
        others = [callback for callback in trainer.callbacks if callback is not self]  # type: ignore[attr-defined]
        if trainer.global_step == 0:
            others = []  # nothing to choose by before the first step, and not all metrics are there
        for callback in others:
            callback.on_validation_start(trainer, module)
        for callback in others:
            callback.on_validation_epoch_start(trainer, module)
        row = self._write(trainer, module)
        trainer.callback_metrics.update({key: torch.tensor(value) for key, value in row.items()})
        for callback in others:
            callback.on_validation_epoch_end(trainer, module)
        for callback in others:
            callback.on_validation_end(trainer, module)
        if trainer.global_step > 0:
            step_by_metric(trainer)

    def _write(self, trainer: L.Trainer, module: Any, again: bool = False) -> dict[str, float]:
        """Evaluate, write the rows down (`again` only what has changed), and return that of the first run."""
        self.last_step = step = trainer.global_step
        splits = self.data.splits()
        for name in splits:
            samples = self.train_samples if name == "train" else self.test_samples
            splits[name] = splits[name] if samples is None else splits[name].first(samples)
        with evaluating(module), trainer.precision_plugin.val_step_context():
            found = {
                name: evaluate_members(module, split, self.loss, self.batch_size)
                for name, split in splits.items()
            }
        rows = []
        for member, run in enumerate(self.runs):
            row = {f"train_{key}": value for key, value in found["train"][member].items()}
            for name in (name for name in splits if name != "train"):
                row |= {f"{name}_{key}": found[name][member][key] for key in ("loss", "error")}
            rows.append(row)
            if not run.is_followed:
                continue
            if self.measure is not None:
                row |= self.measure(trainer, module)
            if not (again and same(row, self.last_row)):
                for logger in run.loggers:
                    logger.log_metrics(row, step=step)
            if not math.isfinite(row["train_loss"]):
                run.diverge(Diverged(f"training loss is {row['train_loss']} at step {step}"))
        if not any(run.is_followed for run in self.runs):
            trainer.should_stop = True
        self.last_row = rows[0]
        return rows[0]


def same(row: dict[str, float], other: dict[str, float]) -> bool:
    """Return whether two rows hold the same values, NaN being one."""
    return row.keys() == other.keys() and all(
        value == other[key] or (math.isnan(value) and math.isnan(other[key])) for key, value in row.items()
    )


@contextmanager
def evaluating(module: Any) -> Iterator[None]:
    """Put a module into eval mode, and each of its parts back into the mode it was in."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def step_by_metric(trainer: L.Trainer) -> None:
    """Step the schedules that `SupervisedModule` has left to the evaluations.

    Raises:
        ConfigError: if the metric one is stepped with is not there.
    """
    for config in trainer.lr_scheduler_configs:
        if config.reduce_on_plateau and config.frequency == NEVER:
            if config.monitor not in trainer.callback_metrics:
                known = ", ".join(sorted(trainer.callback_metrics))
                raise ConfigError(
                    f"scheduler.monitor={config.monitor} is not evaluated here: there are {known}"
                )
            schedule: Any = config.scheduler
            schedule.step(trainer.callback_metrics[config.monitor])
