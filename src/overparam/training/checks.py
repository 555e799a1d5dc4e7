"""Mistakes that a config can hold beyond single values, each said in one line before any work."""

import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import lightning as L
import torch
from lightning.pytorch.strategies import DDPStrategy
from omegaconf import DictConfig, OmegaConf
from torch import nn

from overparam import compat
from overparam.data.module import PoolDataModule
from overparam.errors import ConfigError
from overparam.machine import trains_on_mps

CPU_PRECISIONS = ("32-true", "64-true", "bf16-mixed", "bf16-true")
CUDA_PRECISIONS = (*CPU_PRECISIONS, "16-mixed", "16-true")

# Knobs of Lightning's Trainer that would do nothing, or something else, here: what to say instead.
NOT_HERE = {
    "callbacks": "choose them with callbacks=[...], see configs/callbacks/",
    "logger": "choose them with logger=[...], see configs/logger/",
    "default_root_dir": "a run's directory is <paths.logs>/<name>/<identity>: set paths.logs and name",
    "enable_checkpointing": "every run can be continued: set checkpoint_seconds",
    "num_sanity_val_steps": "every run is evaluated at step 0 already",
    "fast_dev_run": "say debug=fast",
    "barebones": "say logger=local callbacks=null",
    "inference_mode": "evaluations take no gradients anyway",
    "enable_autolog_hparams": "every logger is given the whole config",
    "model_registry": "weights go to W&B with logger.wandb.checkpoints=true",
    "plugins": "set trainer.precision or trainer.strategy",
}
# ... and those that would do nothing to data that are held in memory.
NOT_OF_A_POOL = {
    "max_epochs": "training is counted in steps: set trainer.max_steps",
    "min_epochs": "training is counted in steps: set trainer.max_steps",
    "limit_train_batches": "set data.n_train for fewer samples, or trainer.max_steps for fewer batches",
    "overfit_batches": "set data.n_train for fewer samples",
    "use_distributed_sampler": "processes take equal shares of every batch anyway",
    **dict.fromkeys(
        (
            *("val_check_interval", "check_val_every_n_epoch", "limit_val_batches", "limit_test_batches"),
            *("limit_predict_batches", "reload_dataloaders_every_n_epochs"),
        ),
        "train, test and validation error are measured at log-spaced steps: set evaluation.per_decade",
    ),
}


def check_trainer(cfg: DictConfig, data: Any) -> None:
    """Raise `ConfigError` for a knob of the Trainer that would have no effect, and one that contradicts another."""
    refused = NOT_HERE | (NOT_OF_A_POOL if isinstance(data, PoolDataModule) else {})
    for key in cfg.trainer:
        if str(key) in refused:
            raise ConfigError(f"trainer.{key} has no effect here: {refused[str(key)]}")
    if cfg.trainer.get("min_steps") is not None and not cfg.get("callbacks"):
        raise ConfigError(
            "trainer.min_steps has no effect here: no callback ends a run before trainer.max_steps"
        )
    if (
        cfg.trainer.get("gradient_clip_algorithm") is not None
        and cfg.trainer.get("gradient_clip_val") is None
    ):
        raise ConfigError("trainer.gradient_clip_algorithm has no effect without trainer.gradient_clip_val")
    if cfg.trainer.get("fused_steps", "auto") not in ("auto", False):
        raise ConfigError(f"trainer.fused_steps must be auto or false, got {cfg.trainer.fused_steps!r}")
    if cfg.trainer.get("gradient_clip_val") is not None and cfg.get("clip_norm") is not None:
        raise ConfigError("clip_norm and trainer.gradient_clip_val both clip gradients: choose one")


def check_monitors(monitors: Mapping[str, Any], data: Any) -> None:
    """Raise `ConfigError` for a callback or schedule that watches a validation split which is not there.

    Args:
        monitors: what each watches, by its name in the config.
        data: the run's.
    """
    for name, monitor in monitors.items():
        if monitor in ("val_loss", "val_error") and not data.has_validation:
            raise ConfigError(
                f"{name} watches {monitor}, and there is no validation split: set data.held_out"
            )


def check_precision(precision: Any, accelerator: str) -> None:
    """Raise `ConfigError` for a precision that the device lacks."""
    on_cuda = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    allowed: tuple[str, ...] = CUDA_PRECISIONS if on_cuda else CPU_PRECISIONS
    device = "this GPU" if on_cuda else "the CPU"
    if on_cuda and not torch.cuda.is_bf16_supported(including_emulation=False):
        allowed = tuple(name for name in allowed if not name.startswith("bf16"))
    if precision not in allowed:
        raise ConfigError(
            f"trainer.precision={precision} is not supported on {device}: use {one_of(allowed)}"
        )


def check_float64(cfg: DictConfig, net: nn.Module) -> None:
    """Raise `ConfigError` if something is float64 and the device has no such numbers.

    Args:
        cfg: the run's.
        net: its network, without memory.
    """
    if not trains_on_mps(cfg.trainer.accelerator):
        return
    found = {
        "trainer.precision=64-true": cfg.trainer.precision == "64-true",
        "data.dtype=float64": cfg.data.get("dtype") == "float64",
        type(net).__name__: any(t.dtype == torch.float64 for t in [*net.parameters(), *net.buffers()]),
    }
    asked = [name for name, is_float64 in found.items() if is_float64]
    if asked:
        raise ConfigError(
            f"a Mac's GPU (MPS) has no float64, which this run has by {' and '.join(asked)}: "
            "set trainer.accelerator=cpu"
        )


def check_speed_knobs(channels_last: bool, compile: bool, net: nn.Module) -> None:
    """Raise `ConfigError` if the network has no use for channels-last, or this machine none for compile."""
    if channels_last and all(p.ndim != 4 for p in net.parameters()):
        name = type(net).__name__
        raise ConfigError(f"channels_last=true is for convolutions, and {name} has none: leave it false")
    compiler = os.environ.get("CXX", "g++")
    if compile and shutil.which(compiler) is None:
        raise ConfigError(
            f"compile=true needs a C++ compiler, and {compiler} is not on PATH: install it or set CXX"
        )


def check_sharding(cfg: DictConfig) -> None:
    """Raise `ConfigError` if the trainer shards the network and something needs it whole."""
    if not OmegaConf.is_dict(cfg.trainer.get("strategy")):
        return
    if cfg.get("measures"):
        raise ConfigError(
            "measures are taken of a whole network, and trainer=fsdp shards it: leave measures out"
        )
    if cfg.compile:
        raise ConfigError("compile=true and trainer=fsdp exclude each other: choose one")


def check_batch_norm(trainer: L.Trainer, net: nn.Module, sync_batchnorm: bool) -> None:
    """Raise `ConfigError` if BatchNorm over several processes would not be synchronized as asked."""
    count = trainer.num_devices * trainer.num_nodes
    syncs = isinstance(trainer.strategy, DDPStrategy) and trainer.strategy.root_device.type == "cuda"
    if count > 1 and sync_batchnorm and not syncs and compat.has_batch_norm(net):
        raise ConfigError(
            "BatchNorm over a batch that processes share needs trainer=ddp and a GPU for each: use one process, "
            "or let each normalize its own share with trainer.sync_batchnorm=false, which gives other numbers"
        )


def check_single_samples(net: nn.Module, data: Any) -> None:
    """Raise `ConfigError` if some batch is one sample and BatchNorm has nothing to average over in it.

    Args:
        net: the network, without memory.
        data: the run's.
    """
    if data.smallest_batch != 1 or not compat.has_batch_norm(net):
        return
    try:
        net.train()(torch.empty(1, *data.input_shape, device="meta"))
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ConfigError(
            f"BatchNorm cannot normalize a batch of one sample, and n={data.n_train} in batches of "
            f"{data.batch_size} make one: change data.batch_size or data.n_train"
        ) from error


def one_of(names: Sequence[str]) -> str:
    """Return names as a choice in words.

    Example:
        >>> one_of(["a", "b", "c"])
        'a, b or c'
    """
    return ", ".join(names[:-1]) + " or " + names[-1]
