"""Every value as its target's annotations say it, or refused: `off` for a bool is False, 16.0 for an int is 16."""

import copy
import inspect
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, Literal, get_type_hints

import pydantic
from annotated_types import Le
from hydra.utils import get_class, get_method
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from pydantic import BeforeValidator

from overparam.errors import ConfigError, did_you_mean
from overparam.ranges import (
    BelowOne,
    Milestones,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    PositiveShare,
    Share,
)

LARGEST = 1e30  # of what torch makes float32 numbers of, times some thousands; the largest is 3e38

# Ranges that libraries do not state where their types stand, by the class that a target is or inherits from.
OF_LIBRARIES: dict[str, dict[str, Any]] = {
    "torch.optim.optimizer.Optimizer": {
        "lr": Annotated[PositiveFloat, Le(LARGEST)],
        "momentum": BelowOne,
        "dampening": BelowOne,
        "betas": tuple[BelowOne, BelowOne],
        "alpha": BelowOne,
        "eps": Annotated[NonNegativeFloat, Le(LARGEST)],
        "weight_decay": Annotated[NonNegativeFloat, Le(LARGEST)],
    },
    "torch.optim.lr_scheduler.LRScheduler": {
        "T_max": PositiveInt,
        "eta_min": Annotated[NonNegativeFloat, Le(LARGEST)],
        "milestones": Milestones,
        "gamma": PositiveFloat,
        "step_size": PositiveInt,
        "factor": PositiveFloat,
        "patience": NonNegativeInt,
        "start_factor": PositiveShare,
        "end_factor": Share,
        "total_iters": PositiveInt,
    },
    "lightning.pytorch.trainer.trainer.Trainer": {
        "max_steps": PositiveInt,
        "precision": str | int,  # by device, see `checks.check_precision`
        "min_steps": PositiveInt | None,
        "num_nodes": PositiveInt,
        "devices": PositiveInt | Literal[-1] | list[NonNegativeInt] | str,
        "accumulate_grad_batches": PositiveInt,
        "fused_steps": bool | Literal["auto"],
        "gradient_clip_val": PositiveFloat | None,
        "gradient_clip_algorithm": Literal["norm", "value"] | None,
        "log_every_n_steps": NonNegativeInt | None,
    },
    "lightning.pytorch.callbacks.early_stopping.EarlyStopping": {
        "patience": NonNegativeInt,
        "min_delta": NonNegativeFloat,
        "stopping_threshold": NonNegativeFloat | None,
        "mode": Literal["min", "max"],
    },
    "lightning.pytorch.callbacks.weight_averaging.EMAWeightAveraging": {
        "decay": BelowOne,
        "update_every_n_steps": PositiveInt,
    },
    "lightning.pytorch.callbacks.lr_monitor.LearningRateMonitor": {
        "logging_interval": Literal["step", "epoch"] | None,
    },
    "lightning.pytorch.loggers.csv_logs.CSVLogger": {"flush_logs_every_n_steps": PositiveInt},
    "lightning.pytorch.strategies.model_parallel.ModelParallelStrategy": {
        "data_parallel_size": PositiveInt | Literal["auto"],
        "tensor_parallel_size": PositiveInt | Literal["auto"],
        "save_distributed_checkpoint": bool,
    },
}


@dataclass
class RunKnobs:
    """The knobs of configs/train.yaml that stand in no group."""

    seed: int
    clip_norm: PositiveFloat | None
    channels_last: bool
    compile: bool
    checkpoint_seconds: PositiveFloat
    pack: Annotated[Literal["off", "auto", "all"], BeforeValidator(lambda v: "off" if v is False else v)]
    retrain: bool
    keep_state: bool
    cpu_threads: PositiveInt | None
    objective: str


def typed_run_knobs(cfg: DictConfig) -> dict[str, Any]:
    """Return the values of `RunKnobs` that a config has, as their types say them; raises `ConfigError`."""
    return typed(RunKnobs, {f.name: cfg[f.name] for f in fields(RunKnobs) if f.name in cfg}, prefix="")


# What pydantic wanted, by the beginning of its kind of error.
WORDS = {
    "bool": "true or false",
    "int": "an integer",
    "float": "a number",
    "string": "a text",
    "list": "a list",
}

OURS = {"fused_steps"}  # knobs of the lab beside those of a library's class


def typed_config(cfg: DictConfig) -> DictConfig:
    """Return a run's config with every value as its type says it; the config itself if all are already.

    A value that refers to one that is not known yet, as `${paths.run}` does before a run has its directory, is left.

    Raises:
        ConfigError: if a value has the wrong type or range.
    """
    raw: Any = OmegaConf.to_container(cfg)
    try:
        values: Any = _known(OmegaConf.to_container(cfg, resolve=True), raw)
    except OmegaConfBaseException as error:
        raise ConfigError(str(error).partition("\n")[0]) from error
    wanted = typed_run_knobs(cfg)
    for name, section in values.items():
        if name not in ("hydra", "paths", *wanted):
            wanted[name] = _nested(name, section)
    changes = list(_changes(values, wanted))
    if not changes:
        return cfg
    changed = copy.deepcopy(cfg)
    with open_dict(changed):
        for key, value in changes:
            OmegaConf.update(changed, key, value)
    return changed


def _known(value: Any, raw: Any) -> Any:
    """Return what is resolved of a value, without what refers to nothing yet."""
    if not isinstance(value, dict) or not isinstance(raw, dict):
        return value
    unknown = {key for key, child in value.items() if child is None and raw[key] is not None}
    return {key: _known(child, raw[key]) for key, child in value.items() if key not in unknown}


def _changes(before: Any, after: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(after, dict):
        for name, value in after.items():
            yield from _changes(before[name], value, f"{key}.{name}" if key else str(name))
    elif type(before) is not type(after) or before != after:
        yield key, after


def typed_node(name: str, node: Mapping[Any, Any], known: Iterable[str] | None = None) -> dict[str, Any]:
    """Return a node's values, resolved, as the annotations of its target say them; nested nodes' too.

    Args:
        name: what messages call it, such as "optimizer" or "callbacks.ema".
        node: a mapping with a `_target_`.
        known: names that may stand here beside the target's knobs; None is all.

    Raises:
        ConfigError: if there is no such target, or a value has the wrong name, type or range.
    """
    called = target(name, node)
    plain: Any = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else dict(node)
    knobs: dict[str, Any] = {key: value for key, value in plain.items() if not str(key).startswith("_")}
    takes = _takes(called)
    for key in knobs:
        if known is not None and takes is not None and key not in {*takes, *known}:
            raise ConfigError(
                f"{name}.{key}: {called.__name__} has no such knob{did_you_mean(str(key), takes)}"
            )
    return {**plain, **typed(called, knobs, prefix=f"{name}.")}


def typed(called: Callable[..., Any], given: Mapping[Any, Any], prefix: str) -> dict[Any, Any]:
    """Return values as the annotations of the called class, its bases, or function say them; raises `ConfigError`.

    Texts are read as numbers and truth values where these are asked for, and whole floats as integers. A truth value
    is no number, and a number no truth value.
    """
    hints = _hints(called)
    values: dict[Any, Any] = {}
    for key, value in given.items():
        plain = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        if "_target_" in str(plain):
            values[key] = _nested(f"{prefix}{key}", plain)
        elif key not in hints or (adapter := _adapter(hints[key])) is None:
            values[key] = plain
        else:
            values[key] = _typed(adapter, plain, f"{prefix}{key}")
    return values


def target(name: str, node: Mapping[Any, Any]) -> Callable[..., Any]:
    """Return the class or function that a node names; raises `ConfigError` if it cannot be imported."""
    try:
        return _imported(str(node["_target_"]))
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{name}._target_={node['_target_']} cannot be imported: {reason}") from error


@cache
def _imported(name: str) -> Callable[..., Any]:
    return get_class(name) if name.rpartition(".")[2][:1].isupper() else get_method(name)


def _nested(name: str, value: Any) -> Any:
    """Return a value in which nodes may be, with the values of all of them typed."""
    if isinstance(value, list):
        return [_nested(f"{name}.{position}", item) for position, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if "_target_" in value:
        return typed_node(name, value)
    return {key: _nested(f"{name}.{key}", child) for key, child in value.items()}


def _typed(adapter: pydantic.TypeAdapter[Any], value: Any, name: str) -> Any:
    try:
        return _as(adapter.validate_python(value), value)
    except pydantic.ValidationError as error:
        with suppress(ValueError, pydantic.ValidationError):
            if isinstance(value, str):
                return _as(adapter.validate_python(float(value)), value)  # "3e1" for an integer
        wanted = dict.fromkeys(_words(problem) for problem in error.errors())
        raise ConfigError(f"{name} must be {' or '.join(wanted)}, got {reprlib.repr(value)}") from error
    except ValueError as error:
        raise ConfigError(f"{name} must be {error}, got {reprlib.repr(value)}") from error


def _words(problem: Any) -> str:
    """Return what pydantic wanted, in words."""
    kind = problem["type"]
    if kind == "predicate_failed":
        return "ascending"
    for prefix, words in WORDS.items():
        if kind.startswith(prefix):
            return words
    return str(problem["msg"]).removeprefix("Input should be ").removeprefix("a valid ")


def _as(found: Any, value: Any) -> Any:
    """Return `value` as pydantic has read it, in the types of a config."""
    if isinstance(value, list):
        same = isinstance(found, list | tuple) and len(found) == len(value)
        return [_as(*pair) for pair in zip(found, value, strict=True)] if same else value
    if not isinstance(value, bool | int | float | str) or not isinstance(found, bool | int | float | str):
        return value
    if not isinstance(value, str) and isinstance(found, bool) != isinstance(value, bool):
        raise ValueError("true or false" if isinstance(found, bool) else "a number")
    is_whole = isinstance(value, int) and isinstance(found, float)
    return value if is_whole else found  # 1 for a float stays as it is written


@cache
def _takes(called: Callable[..., Any]) -> frozenset[str] | None:
    """Return the names that a callable takes as keywords, those of its bases too; None if it takes any."""
    names: set[str] = set()
    for function in _functions(called):
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            return None
        names |= {p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            return frozenset(names)
    return None


def _functions(called: Callable[..., Any]) -> list[Callable[..., Any]]:
    """Return the constructors that a class's keywords go through, its own first; of a function, itself."""
    if not inspect.isclass(called):
        return [called]
    return [vars(base)["__init__"] for base in called.__mro__[:-1] if "__init__" in vars(base)] or [called]


@cache
def _hints(called: Callable[..., Any]) -> dict[str, Any]:
    hints: dict[str, Any] = {}
    bases = getattr(called, "__mro__", ())
    ranges = [OF_LIBRARIES.get(f"{base.__module__}.{base.__qualname__}", {}) for base in bases]
    for function in reversed(_functions(called)):
        with suppress(NameError, TypeError):
            hints |= get_type_hints(function, include_extras=True)
        if str(getattr(function, "__module__", "")).startswith(("torch.", "lightning.")):
            own = inspect.signature(function).parameters
            hints |= {
                key: hint for stated in ranges for key, hint in stated.items() if key in own or key in OURS
            }
    return hints


def _adapter(hint: Any) -> pydantic.TypeAdapter[Any] | None:
    try:
        return _cached_adapter(hint)
    except (pydantic.errors.PydanticUserError, TypeError):
        return None  # a type with rules of its own


@cache
def _cached_adapter(hint: Any) -> pydantic.TypeAdapter[Any]:
    return pydantic.TypeAdapter(hint, config={"arbitrary_types_allowed": True, "allow_inf_nan": False})
