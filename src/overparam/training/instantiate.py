"""From a node of the config to the object it describes, with every mistake in it said in one line."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf import OmegaConf

from overparam.errors import ConfigError
from overparam.training.knobs import target, typed_node


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
    knobs = _checked(name, node, {*known, *extra})
    return attempt(name, lambda: _call(knobs, extra))


def check(name: str, node: Any, known: Iterable[str] = ()) -> Callable[..., Any]:
    """Hold a node's values against what its target takes, and return the target; raises `ConfigError`."""
    _checked(name, node, known)
    return target(name, node)


def _checked(name: str, node: Any, known: Iterable[str]) -> dict[str, Any]:
    if not OmegaConf.is_dict(node) or "_target_" not in node:
        raise ConfigError(f"{name} has no _target_: choose one of configs/{name.partition('.')[0]}/")
    return typed_node(name, node, known)


def attempt(name: str, call: Callable[[], Any]) -> Any:
    """Return what a call returns, and turn what it raises of a wrong value into a `ConfigError`."""
    # An assertion is how some layers of torch refuse their arguments.
    expected = (InstantiationException, MisconfigurationException, ValueError, TypeError, ImportError)
    try:
        return call()
    except (*expected, AssertionError, LookupError, AttributeError, RuntimeError, OverflowError) as error:
        cause = error.__cause__ if isinstance(error, InstantiationException) and error.__cause__ else error
        unclear = isinstance(cause, LookupError | AttributeError | RuntimeError | OverflowError)
        message = f"{type(cause).__name__} {line(cause)}" if unclear else line(cause)
        raise ConfigError(message if message.startswith(name) else f"{name}: {message}") from error


def line(error: BaseException) -> str:
    """Return an exception's message in one line."""
    return " ".join(str(error).split())


def _call(knobs: dict[str, Any], extra: dict[str, Any]) -> Any:
    """Do what `hydra.utils.instantiate` does, without its 10 milliseconds where nothing nested is to be made."""
    if "_target_" in str(list(knobs.values())):
        return instantiate(OmegaConf.create(knobs), _convert_="all", **extra)
    called = target("", {"_target_": knobs.pop("_target_")})
    arguments = {key: value for key, value in knobs.items() if not key.startswith("_")} | extra
    return partial(called, **arguments) if knobs.get("_partial_") else called(**arguments)
