"""Weights that a run depends on and that another run has left: what they are counts in its identity, not where."""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from omegaconf import DictConfig, OmegaConf, open_dict
from pydantic import SkipValidation

from overparam.errors import ConfigError
from overparam.models.pretrained import digest
from overparam.runs.identity import WEIGHTS_AND_HASH, counts
from overparam.runs.pretrained import find_weights
from overparam.training.knobs import target

# The annotation of an argument whose knob names weights: a file, or the folder of a run or of a sweep, as `init_from`.
# The argument gets {"weights": the file, "sha256": its hash}.
Weights = Annotated[Mapping[str, str], SkipValidation]


def with_hashes(cfg: DictConfig) -> DictConfig:
    """Return the config with a mapping {"weights": file, "sha256": hash} for every knob that names weights.

    These are `init_from`, arguments that are annotated as `Weights`, and mappings of these two keys anywhere.

    Raises:
        ConfigError: if there are no such weights.
    """
    given = {key: str(OmegaConf.select(cfg, key)) for key in _without_hash("", OmegaConf.to_container(cfg))}
    if not given:
        return cfg
    found = copy.deepcopy(cfg)
    for key, name in given.items():
        knob = key.removesuffix(".weights")
        weights = find_weights(knob, name, cfg)
        with open_dict(found):
            named = {"weights": str(weights), "sha256": digest(weights)}
            OmegaConf.update(found, knob, named, merge=False)
    return found


def check_weights(cfg: DictConfig) -> None:
    """Raise `ConfigError` unless all weights that a resolved config names are there, and what they were."""
    for key, value in _knobs("", OmegaConf.to_container(cfg)):
        if _has_both(value):
            weights = Path(str(OmegaConf.select(cfg, f"{key}.weights")))
            if not weights.is_file() or digest(weights) != value["sha256"]:
                raise ConfigError(f"{key}: {weights} is gone, or is not what this run started from")


def _without_hash(key: str, value: Any) -> Iterator[str]:
    """Yield the keys of the files and folders that are named and have no hash yet."""
    for full, knob in _knobs(key, value):
        if not _has_both(knob):
            yield full
        elif knob["sha256"] is None:
            yield f"{full}.weights"


def _knobs(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield key and value of the knobs that name weights: mappings with their hash, or texts."""
    if _has_both(value):
        yield key, value
    elif isinstance(value, dict):
        for name, child in value.items():
            full = f"{key}.{name}" if key else str(name)
            if isinstance(child, str) and (full == "init_from" or _takes_weights(key, value, name)):
                yield full, child
            elif counts(full):
                yield from _knobs(full, child)
    elif isinstance(value, list):
        for position, child in enumerate(value):
            yield from _knobs(f"{key}.{position}", child)


def _has_both(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == WEIGHTS_AND_HASH


def _takes_weights(key: str, node: Mapping[str, Any], name: str) -> bool:
    """Return whether a knob of a node is an argument that is annotated as `Weights`."""
    if "_target_" not in node or name.startswith("_") or node[name] == "???":
        return False
    return name in _arguments_for_weights(target(key, node))


@cache
def _arguments_for_weights(called: Callable[..., Any]) -> frozenset[str]:
    """Return the names of the arguments of a function, or of a class and its bases, that are `Weights`."""
    constructors = [base.__init__ for base in getattr(called, "__mro__", ()) if "__init__" in vars(base)]
    names: set[str] = set()
    for function in constructors or [called]:
        with suppress(NameError, TypeError):
            hints = get_type_hints(function, include_extras=True)
            names |= {name for name, hint in hints.items() if hint == Weights}
    return frozenset(names)
