"""A claim: a YAML file with what is claimed, where its table comes from, its rule and its figure."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hydra.utils import get_method
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from overparam.analysis.lines import line_figure
from overparam.errors import ConfigError
from overparam.paths import CONFIGS

FOLDER = CONFIGS / "claim"
KEYS = {
    "number",  # of the claim in the ledger; several files may judge one
    "claim",  # what is claimed, in a sentence
    "rule",  # when the effects and their bounds were fixed: before or after a look at the runs
    "source",  # a function of overparam.claims.sources, and its knobs
    "effects",  # by name: what it says, a function of overparam.claims.effects, its knobs, and the bound `above`
    "figure",  # the knobs of overparam.analysis.lines.line_figure; `of: effects` draws the effects, not the table
}


def load_claim(path: Path) -> DictConfig:
    """Read a claim, a YAML file such as those of configs/claim/, and check it as far as that goes without runs.

    Raises:
        ConfigError: if it is no claim.
    """
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in FOLDER.glob("*.yaml")))
        raise ConfigError(f"there is no claim {path.stem} in {path.parent}: there are {known}")
    try:
        claim = OmegaConf.load(path)
    except (YAMLError, OmegaConfBaseException) as error:
        raise ConfigError(f"{path.name} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(claim, DictConfig) or set(claim) != KEYS:
        raise ConfigError(f"{path.name} must have the keys {', '.join(sorted(KEYS))}, and no others")
    for key in ("source", "effects", "figure"):
        if not isinstance(claim[key], DictConfig) or not claim[key]:
            raise ConfigError(f"{path.name}: {key} must be a mapping with something in it")
    if not isinstance(claim.number, int):
        raise ConfigError(f"{path.name}: number must be an integer, got {claim.number!r}")
    _check_call(f"{path.name}: source", "setup", claim.source)
    if "experiment" in claim.source:
        for key in ("experiment", "after"):
            name = claim.source.get(key)
            if name and not (CONFIGS / "experiment" / f"{name}.yaml").exists():
                raise ConfigError(f"{path.name}: source.{key}: there is no experiment {name}")
    for name, effect in claim.effects.items():
        where = f"{path.name}: effects.{name}"
        if not isinstance(effect, DictConfig):
            raise ConfigError(f"{where} must be a mapping")
        if missing := {"_target_", "says", "above"} - set(effect):
            raise ConfigError(f"{where} lacks {', '.join(sorted(missing))}")
        if not isinstance(effect.above, int | float):
            raise ConfigError(f"{where}.above must be a number, got {effect.above!r}")
        _check_call(where, "table", {k: v for k, v in effect.items() if k not in ("says", "above")})
    knobs = {key: value for key, value in claim.figure.items() if (key, value) != ("of", "effects")}
    _check_arguments(f"{path.name}: figure", line_figure, {"table", "title"}, knobs)
    return claim


def _check_call(where: str, first: str, node: Mapping[Any, Any]) -> None:
    target = str(node.get("_target_"))
    try:
        function = get_method(target)
    except Exception as error:
        raise ConfigError(f"{where}._target_={target} cannot be imported") from error
    _check_arguments(where, function, {first}, {k: v for k, v in node.items() if k != "_target_"})


def _check_arguments(
    where: str, function: Callable[..., Any], given: set[str], knobs: Mapping[Any, Any]
) -> None:
    try:
        inspect.signature(function).bind(**dict.fromkeys(given), **dict.fromkeys(map(str, knobs)))
    except TypeError as error:
        raise ConfigError(f"{where}: {function.__name__}: {error}") from error
