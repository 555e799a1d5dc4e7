"""A claim: a YAML file with what is claimed, where its table comes from, the effects it predicts and its figure."""

import hashlib
import inspect
import json
from pathlib import Path
from typing import Annotated, Any

from hydra.utils import get_method
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, Field, PrivateAttr, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from yaml import YAMLError

from overparam.analysis import lines
from overparam.claims.intervals import Kind
from overparam.claims.possible import Range, possible_range, why_impossible
from overparam.errors import ConfigError, did_you_mean, one_line
from overparam.paths import CONFIGS
from overparam.training.knobs import target, typed


class Call(BaseModel, extra="allow", strict=True):
    """A function by its dotted path, `_target_`, and its knobs."""

    target: str = Field(alias="_target_")

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        """Call the function with `arguments`, the knobs and `more`, which no file says."""
        function = get_method(self.target)
        return function(*arguments, **typed(function, self.model_extra or {}, prefix=""), **more)

    def check(self, where: str, *arguments: str) -> None:
        """Raise `ConfigError` unless the function takes so many arguments by position, and these knobs."""
        function, knobs = target(where, {"_target_": self.target}), self.model_extra or {}
        try:
            inspect.signature(function).bind(*arguments, **knobs)
        except TypeError as error:
            raise ConfigError(f"{where}: {function.__name__}: {error}") from error
        typed(function, knobs, f"{where}.")


class Prediction(Call):
    """An effect whose mean over seeds is predicted to be above a bound, below one, or between two."""

    says: str  # what is measured, in words
    above: float | None = None
    below: float | None = None
    # The smallest effect that matters: the least distance of the mean from a bound that is to be seen.
    smallest: Annotated[float, Field(gt=0)] | None = None
    # Least and largest mean that there can be, where `possible_range` does not know them.
    range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    _interval: Kind = PrivateAttr("any time")  # of the claim

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        """Return the effect of a table; a function that picks by what is asked of it is told bound and interval."""
        takes = inspect.signature(get_method(self.target)).parameters
        told = {"below": self.below, "interval": self._interval}
        return super().__call__(*arguments, **{key: told[key] for key in told if key in takes}, **more)

    @model_validator(mode="after")
    def _has_bounds(self) -> "Prediction":
        if self.above is None and self.below is None:
            raise PydanticCustomError("bounds", "needs a bound, above or below or both")
        if self.above is not None and self.below is not None and not self.above < self.below:
            raise PydanticCustomError("bounds", "needs above to be less than below")
        return self

    @property
    def possible(self) -> Range:
        """Between which numbers the mean can be."""
        if self.range is not None:
            low, high = self.range
            return low, high
        return possible_range(self.target, self.model_extra or {})


class Sequential(BaseModel, extra="forbid", strict=True):
    """Seeds are added until a confidence sequence decides; the effects that do not hold are found by Holm's method."""

    pilot: Annotated[int, Field(ge=3)]  # seeds 0 to pilot - 1 say how many are needed, and are never judged
    budget: Annotated[int, Field(ge=2)]  # the most seeds that are judged, from `pilot` on


class Drawing(Call):
    """A figure."""

    target: str = Field(f"{lines.__name__}.line_figure", alias="_target_")


class Claim(BaseModel, extra="forbid", strict=True):
    """What a file of configs/claim/ says."""

    number: int  # of the claim in the ledger; several files may judge one
    claim: str  # what is claimed, in a sentence
    rule: str  # when the effects and their bounds were fixed: before or after a look at the runs
    replaced: str | None = None  # why the rule before this one was replaced
    # Seeds 0 to seeds - 1 are judged, as many as the effects need; with `sequential` as many at first, after its pilot.
    seeds: Annotated[int, Field(ge=2)] = 5
    sequential: Sequential | None = None
    covers: str | None = None  # what varies with the seed, where no run tells it: of exact models
    source: Call  # of the table, such as those of overparam.claims.sources
    effects: Annotated[
        dict[str, Prediction], Field(min_length=1)
    ]  # such as those of overparam.claims.effects
    figure: Drawing | None = None  # of the table, above the effects, which are always drawn

    @model_validator(mode="after")
    def _tells_its_interval(self) -> "Claim":
        for effect in self.effects.values():
            effect._interval = self.interval
        return self

    @model_validator(mode="after")
    def _is_decidable(self) -> "Claim":
        if self.sequential is None:
            if named := next((name for name, e in self.effects.items() if e.smallest is not None), None):
                raise PydanticCustomError("bounds", f"effects.{named}.smallest needs sequential")
            return self
        if self.seeds > self.sequential.budget:
            raise PydanticCustomError(
                "bounds",
                f"sequential.budget must be seeds={self.seeds} or more, got {self.sequential.budget}",
            )
        if named := next((name for name, e in self.effects.items() if e.smallest is None), None):
            raise PydanticCustomError(
                "bounds", f"effects.{named} needs smallest, the least distance from a bound that matters"
            )
        return self

    @property
    def first_seeds(self) -> tuple[int, ...]:
        """The seeds that are judged first, or only."""
        start = self.sequential.pilot if self.sequential else 0
        return tuple(range(start, start + self.seeds))

    @property
    def most_seeds(self) -> tuple[int, ...]:
        """All seeds that may be judged."""
        start, count = (self.sequential.pilot, self.sequential.budget) if self.sequential else (0, self.seeds)
        return tuple(range(start, start + count))

    @property
    def interval(self) -> Kind:
        """The kind of interval that decides."""
        return "any time" if self.sequential else "fixed n"

    @property
    def definition(self) -> dict[str, Any]:
        """What makes the rule: the source, the seeds, and the effects with their bounds."""
        effects = {
            name: effect.model_dump(by_alias=True, exclude={"says", "range"}, exclude_none=True)
            for name, effect in self.effects.items()
        }
        added = {"sequential": self.sequential.model_dump()} if self.sequential else {}
        return {
            "source": self.source.model_dump(by_alias=True),
            "seeds": self.seeds,
            "effects": effects,
            **added,
        }

    @property
    def digest(self) -> str:
        """What tells a rule from another: a hash of its definition."""
        rule = json.dumps(list(self.definition.values()), sort_keys=True)
        return hashlib.sha256(rule.encode()).hexdigest()[:12]


def claim_files(config_dir: Path | None = None) -> dict[str, Path]:
    """Return the files of configs/claim/, and of the same folder in one's own configs, by name."""
    folders = [CONFIGS, *([config_dir] if config_dir else [])]
    return {path.stem: path for folder in folders for path in sorted(folder.glob("claim/[!.]*.yaml"))}


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
        _check(claim, config_dir)
    except (YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is not YAML: {one_line(error)}") from error
    except ValidationError as error:
        raise ConfigError(f"{path.name}: {_first(error)}") from error
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from error
    return claim


def _check(claim: Claim, config_dir: Path | None) -> None:
    claim.source.check("source", "setup")
    knobs = dict(claim.source.model_extra or {})
    for key, group in (("experiment", "experiment"), ("after", "experiment"), ("study", "study")):
        file = Path(group, f"{knobs.get(key)}.yaml")
        if knobs.get(key) and not any(
            (folder / file).exists() for folder in (CONFIGS, config_dir or CONFIGS)
        ):
            raise ConfigError(f"source.{key}: there is no {group} {knobs[key]}")
    if model := knobs.pop("model", None):  # of sources.exact
        Call(_target_=model, **knobs).check("source.model", "seed")
    for name, effect in claim.effects.items():
        effect.check(f"effects.{name}", "table")
        if why := why_impossible(effect.possible, effect.above, effect.below, effect.smallest):
            raise ConfigError(f"effects.{name} tests nothing, {why}; if that is not so, state its range")
    if claim.figure:
        claim.figure.check("figure", "table", "title")


def _first(error: ValidationError) -> str:
    """Return the first thing that is wrong, in one line."""
    wrong = error.errors()[0]
    key = ".".join(map(str, wrong["loc"])) or "a claim"
    if wrong["type"] == "missing":
        return f"{key} is missing"
    if wrong["type"] == "extra_forbidden":
        return f"there is no key {key}{did_you_mean(key, Claim.model_fields)}"
    if wrong["type"] == "bounds":
        return f"{key} {wrong['msg']}"
    return f"{key}: {wrong['msg'].replace('Input should be', 'must be')}, got {wrong['input']!r}"
