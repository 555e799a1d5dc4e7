"""Whether a run may take many optimizer steps in one call of the Trainer's loop."""

from typing import Any

import lightning as L
from lightning.pytorch.strategies import SingleDeviceStrategy
from omegaconf import DictConfig

from overparam.data.module import PoolDataModule
from overparam.training.module import SupervisedModule

# What a callback can do at every step. Those of the Trainer's own and of the lab look at it every so often only.
STEP_HOOKS = (
    *("on_train_batch_start", "on_train_batch_end", "on_before_zero_grad", "on_before_backward"),
    *("on_after_backward", "on_before_optimizer_step"),
)
# Knobs of the Trainer that change nothing about what a step is, or who sees it.
UNSEEN = {
    *("_target_", "fused_steps", "max_steps", "precision", "accelerator", "devices", "num_nodes", "strategy"),
    *(
        "sync_batchnorm",
        "deterministic",
        "benchmark",
        "enable_model_summary",
        "max_time",
        "log_every_n_steps",
    ),
}


def may_fuse(
    cfg: DictConfig, module: Any, data: Any, callbacks: list[L.Callback], trainer: L.Trainer
) -> bool:
    """Return whether a run takes its steps in chunks: the numbers are the same bit for bit, and sooner there.

    Args:
        cfg: the run's config.
        module: what is trained: only the lab's own step is known to look at nothing outside.
        data: what it is trained on.
        callbacks: the config's own.
        trainer: the run's.
    """
    return (
        cfg.trainer.get("fused_steps", "auto") == "auto"
        and type(module) is SupervisedModule
        and isinstance(data, PoolDataModule)
        and type(data).train_dataloader is PoolDataModule.train_dataloader
        and not any(hooks_into_steps(callback) for callback in callbacks)
        and set(map(str, cfg.trainer)) <= UNSEEN
        and type(trainer.strategy) is SingleDeviceStrategy
        and getattr(trainer.precision_plugin, "scaler", None) is None
        and "monitor" not in (cfg.get("scheduler") or {})
    )


def hooks_into_steps(callback: L.Callback) -> bool:
    """Return whether a callback does something at every step."""
    return any(
        hook in vars(callback) or getattr(type(callback), hook) is not getattr(L.Callback, hook)
        for hook in STEP_HOOKS
    )
