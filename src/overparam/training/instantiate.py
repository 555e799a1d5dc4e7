"""From a node of the config to the object it describes, with every mistake in it said in one line."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache, partial
from typing import Any, get_type_hints

import pydantic
from hydra.errors import InstantiationException
from hydra.utils import get_class, get_method, instantiate
from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf

from overparam.errors import ConfigError, did_you_mean


def build(name: str, node: Any, known: Iterable[str] = (), /, **extra: Any) -> Any:
    """Return what a node describes.

    Args:
        name: what messages call it, such as "optimizer" or "callbacks.ema".
        node: a mapping with a `_target_`.
        known: names that are no knobs of the target's and may stand here all the same.
        extra: further arguments of the target; they win over the node's.

    Raises:
        ConfigError: if there is no such target, or it does not take these values.
    """
    check(name, node, {*known, *extra})
    return attempt(name, lambda: _call(node, extra))


def check(name: str, node: Any, known: Iterable[str] = ()) -> Callable[..., Any]:
    """Hold a node's values against what its target takes, and return the target.

    Args:
        name: what messages call it.
        node: a mapping with a `_target_`.
        known: names that are no knobs of the target's and may stand here all the same.

    Raises:
        ConfigError: if there is no such target, or a value has the wrong name or type.
    """
    if not OmegaConf.is_dict(node) or "_target_" not in node:
        raise ConfigError(f"{name} has no _target_: choose one of configs/{name.partition('.')[0]}/")
    called = target(name, node)
    given = {key: value for key, value in node.items() if not str(key).startswith("_")}
    takes = _takes(called)
    for key in given:
        if takes is not None and key not in {*takes, *known}:
            raise ConfigError(
                f"{name}.{key}: {called.__name__} has no such knob{did_you_mean(str(key), takes)}"
            )
    check_types(called, {k: v for k, v in given.items() if not _has_target(v)}, prefix=f"{name}.")
    return called


def target(name: str, node: Mapping[Any, Any]) -> Callable[..., Any]:
    """Return the class or function that a node names; raises `ConfigError` if it cannot be imported."""
    try:
        return _imported(str(node["_target_"]))
    except Exception as error:
        raise ConfigError(f"{name}._target_={node['_target_']} cannot be imported: {line(error)}") from error


def attempt(name: str, call: Callable[[], Any]) -> Any:
    """Return what a call returns, and turn what it raises of a wrong value into a `ConfigError`."""
    # An assertion is how some layers of torch refuse their arguments.
    expected = (InstantiationException, MisconfigurationException, ValueError, TypeError, ImportError)
    try:
        return call()
    except (*expected, AssertionError, LookupError, AttributeError) as error:
        cause = error.__cause__ if isinstance(error, InstantiationException) and error.__cause__ else error
        message = (
            f"{type(cause).__name__} {line(cause)}"
            if isinstance(cause, LookupError | AttributeError)
            else line(cause)
        )
        raise ConfigError(message if message.startswith(name) else f"{name}: {message}") from error


def check_types(called: Callable[..., Any], given: Mapping[Any, Any], prefix: str) -> None:
    """Hold values against the annotations of the called class, its bases, or function; raises `ConfigError`."""
    hints = _hints(called)
    for key, value in given.items():
        if key not in hints or (adapter := _adapter(hints[key])) is None:
            continue
        plain = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        try:
            adapter.validate_python(plain)
        except pydantic.ValidationError as error:
            expected = error.errors()[0]["msg"].removeprefix("Input should be ")
            raise ConfigError(f"{prefix}{key} must be {expected}, got {value!r}") from error


def line(error: BaseException) -> str:
    """Return an exception's message in one line."""
    return " ".join(str(error).split())


@cache
def _imported(name: str) -> Callable[..., Any]:
    return get_class(name) if name.rpartition(".")[2][:1].isupper() else get_method(name)


def _has_target(value: Any) -> bool:
    plain = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
    return "_target_" in str(plain)


def _call(node: DictConfig, extra: dict[str, Any]) -> Any:
    """Do what `hydra.utils.instantiate` does, without its 10 milliseconds where nothing nested is to be made."""
    knobs: Any = OmegaConf.to_container(node, resolve=True)
    if "_target_" in str(list(knobs.values())):
        return instantiate(node, _convert_="all", **extra)
    called = _imported(knobs.pop("_target_"))
    arguments = {key: value for key, value in knobs.items() if not key.startswith("_")} | extra
    return partial(called, **arguments) if knobs.get("_partial_") else called(**arguments)


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
    for function in reversed(_functions(called)):
        with suppress(NameError, TypeError):
            hints |= get_type_hints(function)
    return hints


@cache
def _adapter(hint: Any) -> pydantic.TypeAdapter[Any] | None:
    try:
        return pydantic.TypeAdapter(hint, config={"arbitrary_types_allowed": True})
    except pydantic.errors.PydanticUserError:
        return None  # a type with rules of its own
