"""From a config to the parts of a run, with every mistake in it said in one line before any work."""

import copy
import inspect
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cache, partial
from pathlib import Path
from typing import Any, get_type_hints

import lightning as L
import pydantic
import torch
from hydra.errors import InstantiationException
from hydra.utils import get_class, get_method, instantiate
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.strategies import DDPStrategy
from omegaconf import DictConfig, OmegaConf, open_dict
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from overparam.data.module import PoolDataModule
from overparam.errors import ConfigError
from overparam.measures.subject import Measure
from overparam.models.parameters import count_parameters, width_for_params
from overparam.models.pretrained import digest, load_pretrained
from overparam.randomness import derive_seed
from overparam.runs.pretrained import find_weights
from overparam.runs.summary import Summary
from overparam.training.checkpoint import TimedCheckpoint
from overparam.training.evaluation import Evaluation
from overparam.training.module import Loss, SupervisedModule

# Lightning raises its own level to INFO when imported, and then says four things a run that no one needs, and
# of a distributed run two more for each process.
for name in ("lightning.pytorch", "lightning.fabric"):
    logging.getLogger(name).setLevel(logging.WARNING)

CPU_PRECISIONS = ("32-true", "64-true", "bf16-mixed", "bf16-true")
CUDA_PRECISIONS = (*CPU_PRECISIONS, "16-mixed", "16-true")


@dataclass(frozen=True)
class Parts:
    """What a run is made of, nothing of it loaded, allocated or written yet."""

    data: PoolDataModule
    loss: Loss
    optimizer: Callable[..., torch.optim.Optimizer]  # makes one from parameters
    build_net: Callable[[], nn.Module]
    params: int  # P, trainable parameters
    build_module: Callable[[], SupervisedModule]  # draws the initial weights
    measures: dict[str, dict[str, Measure]]  # by when they are taken ("end", "evaluations"), by name

    def require_data(self) -> None:
        """See to it that what the data set reads from disk is there; raises `ConfigError` with what to do."""
        _try("data", self.data.prepare_data)

    def check_processes(self, trainer: L.Trainer, sync_batchnorm: bool) -> None:
        """Raise `ConfigError` if the trainer's processes cannot share a batch evenly, or its statistics as asked."""
        count = trainer.num_devices * trainer.num_nodes
        _try("data", lambda: self.data.check_processes(count))
        syncs = isinstance(trainer.strategy, DDPStrategy) and trainer.strategy.root_device.type == "cuda"
        if count == 1 or syncs or not sync_batchnorm:
            return
        with torch.device("meta"):
            net = self.build_net()
        if any(isinstance(layer, _BatchNorm) for layer in net.modules()):
            raise ConfigError(
                "BatchNorm over a batch that processes share needs trainer=ddp and a GPU for each: use one process, "
                "or let each normalize its own share with trainer.sync_batchnorm=false, which gives other numbers"
            )


def resolve(cfg: DictConfig) -> DictConfig:
    """Return the config with what only looking further can tell in its place.

    That is the `model.width` that `model.target_params` asks for, and which weights `init_from` names, with a
    hash of them. Anything that names, plans or trains a run starts here: a run is identified by the width and
    the start it has, whether given or found. A resolved config is returned as it is.

    Raises:
        ConfigError: if target_params is not a positive integer, or the model has no width; if there are no
            such weights.
    """
    has_target = (cfg.get("model") or {}).get("target_params") is not None
    if not has_target and not isinstance(cfg.get("init_from"), str):
        return cfg
    resolved = copy.deepcopy(cfg)
    if has_target:
        _resolve_width(resolved)
    if isinstance(resolved.get("init_from"), str):
        weights = find_weights(resolved.init_from, resolved)
        with open_dict(resolved):
            resolved.init_from = {"weights": str(weights), "sha256": digest(weights)}
    return resolved


def _resolve_width(cfg: DictConfig) -> None:
    with open_dict(cfg):
        target = cfg.model.pop("target_params")
    if not isinstance(target, int | float) or isinstance(target, bool) or target < 1 or target % 1:
        raise ConfigError(f"model.target_params must be a positive integer, got {target!r}")
    if "width" not in cfg.model:
        network = str(cfg.model._target_).rpartition(".")[2]
        raise ConfigError(f"model.target_params chooses a width, and {network} has none: leave it null")
    data = _build(cfg, "data")
    model = OmegaConf.to_yaml(cfg.model, resolve=True)
    shape = (data.input_shape, data.num_outputs)
    cfg.model.width = _try("model", lambda: _width(model, *shape, int(target)))


@cache
def _width(model: str, input_shape: tuple[int, ...], num_outputs: int, target: int) -> int:
    node = OmegaConf.create(model)
    shape = {"input_shape": input_shape, "num_outputs": num_outputs}
    return width_for_params(lambda width: instantiate(node, width=width, **shape), target)


def assemble(cfg: DictConfig) -> Parts:
    """Check a composed config and return the parts of its run.

    Raises:
        ConfigError: if the run could not be trained as asked.
    """
    cfg = resolve(cfg)
    for key, least in (("seed", None), ("cpu_threads", 1), ("trainer.max_steps", 1)):
        _check_integer(cfg, key, least)
    _check_types(TimedCheckpoint, {"seconds": cfg.checkpoint_seconds}, prefix="checkpoint_")
    known = {field.name for field in fields(Summary)}
    if cfg.objective not in known and not cfg.get("measures"):
        raise ConfigError(
            f"objective={cfg.objective} is not a key of summary.json: use {_one_of(sorted(known))}"
        )
    if not cfg.name:
        raise ConfigError("name is empty: it is the folder that runs go to")
    check_precision(cfg.trainer.precision, cfg.trainer.accelerator)
    data = _build(cfg, "data")
    loss: Loss = cfg.loss or ("cross_entropy" if data.task == "classification" else "mse")
    if loss == "cross_entropy" and data.task == "regression":
        raise ConfigError("loss=cross_entropy needs classes, and this data set is regression: use loss=mse")
    shape = {"input_shape": data.input_shape, "num_outputs": data.num_outputs}
    build_evaluation(cfg)
    _check_section(cfg, "logger")
    optimizer = _build(cfg, "optimizer")
    scheduler = _build(cfg, "scheduler")

    def build_net() -> nn.Module:
        return _build(cfg, "model", **shape)

    def build_module() -> SupervisedModule:
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(cfg.seed, "init"))
            net = build_net()
        if cfg.channels_last:
            net = net.to(memory_format=torch.channels_last)
        if cfg.compile:
            torch.compiler.reset()  # after a few networks of one class torch would quietly stop compiling
        module = SupervisedModule(net, loss, optimizer, scheduler, cfg.clip_norm, cfg.compile)
        # Lightning converts only after it has restored a checkpoint, whose digits would be lost.
        module = module.double() if cfg.trainer.precision == "64-true" else module
        if cfg.get("init_from"):
            load_pretrained(net, Path(cfg.init_from.weights))
        return module

    with torch.device("meta"):
        net = build_net()
        _try("optimizer", lambda: optimizer(list(net.parameters())))
    if cfg.get("init_from"):
        weights = Path(cfg.init_from.weights)
        if not weights.exists() or digest(weights) != cfg.init_from.sha256:
            raise ConfigError(f"init_from: {weights} is gone, or is not what this run started from")
        _try("init_from", lambda: load_pretrained(net, weights))
    knobs = {"loss": loss, "clip_norm": cfg.clip_norm, "compile": cfg.compile}
    _check_types(SupervisedModule, knobs, prefix="")
    check_speed_knobs(cfg.channels_last, cfg.compile, net)
    measures = build_measures(cfg)
    check_sharding(cfg)
    return Parts(data, loss, optimizer, build_net, count_parameters(net), build_module, measures)


def build_measures(cfg: DictConfig) -> dict[str, dict[str, Measure]]:
    """Return the measures of `cfg.measures` by when they are taken, then by name; raises `ConfigError`."""
    measures: dict[str, dict[str, Measure]] = {"end": {}, "evaluations": {}}
    for name, node in (cfg.get("measures") or {}).items():
        at = node.get("at", "end")
        if at not in measures:
            raise ConfigError(f"measures.{name}.at must be end or evaluations, got {at!r}")
        knobs = OmegaConf.create({key: value for key, value in node.items() if key != "at"})
        measures[at][str(name)] = _build(OmegaConf.create({f"measures.{name}": knobs}), f"measures.{name}")
    return measures


def build_evaluation(cfg: DictConfig) -> Evaluation:
    """Return the callback of `cfg.evaluation`; raises `ConfigError`."""
    _check_types(Evaluation, dict(cfg.evaluation), prefix="evaluation.")
    return _try("evaluation", lambda: Evaluation(**cfg.evaluation))


def build_trainer(cfg: DictConfig, **arguments: Any) -> L.Trainer:
    """Return the Trainer of `cfg.trainer` with the lab's fixed choices; raises `ConfigError`."""
    fixed = {
        **{"max_epochs": -1, "num_sanity_val_steps": 0, "use_distributed_sampler": False},
        **{"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": True},
    }
    return _build(cfg, "trainer", **(fixed | arguments))


def check_precision(precision: Any, accelerator: str) -> None:
    """Raise `ConfigError` for a precision that the device lacks."""
    on_cuda = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    allowed: tuple[str, ...] = CUDA_PRECISIONS if on_cuda else CPU_PRECISIONS
    device = "this GPU" if on_cuda else "the CPU"
    if on_cuda and not torch.cuda.is_bf16_supported(including_emulation=False):
        allowed = tuple(name for name in allowed if not name.startswith("bf16"))
    if precision not in allowed:
        raise ConfigError(
            f"trainer.precision={precision} is not to be had on {device}: use {_one_of(allowed)}"
        )


def check_speed_knobs(channels_last: bool, compile: bool, net: nn.Module) -> None:
    """Raise `ConfigError` if the network has no use for channels-last, or this machine none for compile."""
    if channels_last not in (True, False):
        raise ConfigError(f"channels_last must be true or false, got {channels_last!r}")
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


def _check_section(cfg: DictConfig, section: str) -> bool:
    """Hold a section's values against what its `_target_` takes; False if it is absent or empty."""
    node = cfg.get(section)
    if not node:
        return False
    if "_target_" not in node:
        raise ConfigError(f"{section} has no _target_: choose one of configs/{section}/")
    target = str(node._target_)
    try:
        called = _target(target)
    except Exception as error:
        raise ConfigError(f"{section}._target_={target} cannot be imported: {_line(error)}") from error
    given = {
        key: value for key, value in node.items() if not str(key).startswith("_") and not _is_made(value)
    }
    _check_types(called, given, prefix=f"{section}.")
    return True


@cache
def _target(name: str) -> Callable[..., Any]:
    return get_class(name) if name.rpartition(".")[2][:1].isupper() else get_method(name)


def _is_made(value: Any) -> bool:
    return OmegaConf.is_dict(value) and "_target_" in value


def _build(cfg: DictConfig, section: str, **extra: Any) -> Any:
    """Instantiate a section of the config; None if it is absent or empty."""
    if not _check_section(cfg, section):
        return None
    return _try(section, lambda: _call(cfg[section], extra))


def _call(node: DictConfig, extra: dict[str, Any]) -> Any:
    """Do what `hydra.utils.instantiate` does, without its 10 milliseconds where nothing nested is to be made."""
    knobs: Any = OmegaConf.to_container(node, resolve=True)
    if "_target_" in str(list(knobs.values())):
        return instantiate(node, **extra)
    called = _target(knobs.pop("_target_"))
    knobs.pop("target_params", None)  # a model's knob that `resolve` answers
    arguments = {key: value for key, value in knobs.items() if not key.startswith("_")} | extra
    return partial(called, **arguments) if knobs.get("_partial_") else called(**arguments)


def _try(section: str, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except (InstantiationException, MisconfigurationException, ValueError, TypeError) as error:
        cause = error.__cause__ if isinstance(error, InstantiationException) and error.__cause__ else error
        message = _line(cause)
        raise ConfigError(message if message.startswith(section) else f"{section}: {message}") from error


def _check_types(called: Callable[..., Any], given: dict[str, Any], prefix: str) -> None:
    """Hold the given values against the annotations of the called class, its bases, or function."""
    hints = _hints(called)
    for key, value in given.items():
        if key not in hints or (adapter := _adapter(hints[key])) is None:
            continue
        plain = list(value) if not isinstance(value, str | int | float | dict | None) else value
        try:
            adapter.validate_python(plain)
        except pydantic.ValidationError as error:
            expected = error.errors()[0]["msg"].removeprefix("Input should be ")
            raise ConfigError(f"{prefix}{key} must be {expected}, got {value!r}") from error


@cache
def _hints(called: Callable[..., Any]) -> dict[str, Any]:
    functions = [called]
    if inspect.isclass(called):
        functions = [vars(base)["__init__"] for base in reversed(called.__mro__) if "__init__" in vars(base)]
    hints: dict[str, Any] = {}
    for function in functions:
        with suppress(NameError, TypeError):
            hints |= get_type_hints(function)
    return hints


@cache
def _adapter(hint: Any) -> pydantic.TypeAdapter[Any] | None:
    try:
        return pydantic.TypeAdapter(hint, config={"arbitrary_types_allowed": True})
    except pydantic.errors.PydanticUserError:
        return None  # a type with rules of its own


def _check_integer(cfg: DictConfig, key: str, least: int | None) -> None:
    section, _, name = key.rpartition(".")
    value = (cfg[section] if section else cfg)[name]
    if not isinstance(value, int) or isinstance(value, bool) or (least is not None and value < least):
        raise ConfigError(
            f"{key} must be {'an integer' if least is None else f'{least} or more'}, got {value!r}"
        )


def _one_of(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " or " + names[-1]


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
