"""A claim: a YAML file with what is claimed, where its table comes from, the effects it predicts and its figure."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from hydra.utils import get_method
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, Field, ValidationError
from yaml import YAMLError

from overparam.analysis.lines import line_figure
from overparam.errors import ConfigError, one_line
from overparam.paths import CONFIGS
from overparam.training.instantiate import check_types, did_you_mean, target


class Call(BaseModel, extra="allow", strict=True):
    """A function by its dotted path, `_target_`, and its knobs."""

    target: str = Field(alias="_target_")

    @property
    def knobs(self) -> dict[str, Any]:
        """What the function is called with."""
        return self.model_extra or {}

    def __call__(self, *arguments: Any) -> Any:
        """Call the function with `arguments` and the knobs."""
        return get_method(self.target)(*arguments, **self.knobs)


class Prediction(Call):
    """An effect that is predicted to be above a bound."""

    says: str  # what is measured, in words
    above: float


class Picture(BaseModel, extra="allow", strict=True):
    """The knobs of `analysis.lines.line_figure`."""

    of: Literal["table", "effects"] = (
        "table"  # what is drawn: the source's table, or the effects of each seed
    )

    @property
    def knobs(self) -> dict[str, Any]:
        """The arguments of `line_figure`."""
        return self.model_extra or {}


class Claim(BaseModel, extra="forbid", strict=True):
    """What a file of configs/claim/ says."""

    number: int  # of the claim in the ledger; several files may judge one
    claim: str  # what is claimed, in a sentence
    rule: str  # when the effects and their bounds were fixed: before or after a look at the runs
    source: Call  # of the table, such as those of overparam.claims.sources
    effects: Annotated[
        dict[str, Prediction], Field(min_length=1)
    ]  # such as those of overparam.claims.effects
    figure: Picture


def claim_files(config_dir: Path | None = None) -> dict[str, Path]:
    """Return the files of configs/claim/, and of the same folder in one's own configs, by name."""
    folders = [CONFIGS, *([config_dir] if config_dir else [])]
    return {path.stem: path for folder in folders for path in sorted(folder.glob("claim/*.yaml"))}


def load_claim(path: Path, config_dir: Path | None = None) -> Claim:
    """Read a claim and check it as far as that is possible without runs.

    Args:
        path: a YAML file such as those of configs/claim/.
        config_dir: a folder of one's own configs beside the lab's, in which the claim's experiments may be.

    Raises:
        ConfigError: if it is no claim.
    """
    if not path.exists():
        known = ", ".join(claim_files(config_dir))
        raise ConfigError(f"there is no claim {path.stem} in {path.parent}: there are {known}")
    try:
        claim = Claim.model_validate(OmegaConf.to_container(OmegaConf.load(path)))
        _check(claim, [CONFIGS, *([config_dir] if config_dir else [])])
    except (YAMLError, OmegaConfBaseException) as error:
        raise ConfigError(f"{path.name} is not YAML: {one_line(error)}") from error
    except ValidationError as error:
        raise ConfigError(f"{path.name}: {_first(error)}") from error
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from error
    return claim


def _check(claim: Claim, folders: Sequence[Path]) -> None:
    knobs = claim.source.knobs
    check_call("source", claim.source.target, ("setup",), knobs)
    if "model" in knobs:  # of sources.exact
        rest = {key: value for key, value in knobs.items() if key != "model"}
        check_call("source.model", str(knobs["model"]), ("seed",), rest)
    for key, group in (("experiment", "experiment"), ("after", "experiment"), ("study", "study")):
        name = knobs.get(key)
        if name and not any((folder / group / f"{name}.yaml").exists() for folder in folders):
            raise ConfigError(f"source.{key}: there is no {group} {name}")
    for name, effect in claim.effects.items():
        check_call(f"effects.{name}", effect.target, ("table",), effect.knobs)
    drawing = f"{line_figure.__module__}.{line_figure.__name__}"
    check_call("figure", drawing, ("table", "title"), claim.figure.knobs)


def check_call(where: str, path: str, given: Sequence[str], knobs: Mapping[str, Any]) -> None:
    """Raise `ConfigError` unless the function at a dotted path takes `given`, by position, and these knobs."""
    function = target(where, {"_target_": path})
    try:
        inspect.signature(function).bind(*given, **knobs)
    except TypeError as error:
        raise ConfigError(f"{where}: {function.__name__}: {error}") from error
    check_types(function, knobs, f"{where}.")


def _first(error: ValidationError) -> str:
    """Return the first thing that is wrong, in one line."""
    wrong = error.errors()[0]
    key = ".".join(map(str, wrong["loc"])) or "a claim"
    if wrong["type"] == "missing":
        return f"{key} is missing"
    if wrong["type"] == "extra_forbidden":
        return f"there is no key {key}{did_you_mean(key, Claim.model_fields)}"
    return f"{key}: {wrong['msg'].replace('Input should be', 'must be')}, got {wrong['input']!r}"
