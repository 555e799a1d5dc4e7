"""Closed forms under measurements: an entry is a YAML file of configs/theory/, its rows one residual each."""

import inspect
import math
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated, Any, Literal

import torch
from hydra.utils import get_method
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, Field, ValidationError
from yaml import YAMLError

from overparam.errors import ConfigError, did_you_mean, one_line
from overparam.paths import CONFIGS
from overparam.training.knobs import target, typed

LARGEST = 3.0  # residual, in standard errors, at which theory and measurement agree


class Entry(BaseModel, extra="forbid", strict=True):
    """What a file of configs/theory/ says."""

    says: str  # what is measured
    source: str  # of the formula
    # A function `measured(seed, **knobs)` by its dotted path, `_target_`, and its knobs. It returns rows with `x`, the
    # `series`, `measured` (None where the theory alone is drawn) and `theory`.
    measured: dict[str, Any]
    seeds: Annotated[int, Field(ge=2)]  # 0 to seeds - 1
    shares: str | None = None  # which places share draws, so that their residuals move together
    x: str  # column of the horizontal axis
    series: str | None = None  # column that tells curves apart
    log: Literal["", "x", "y", "xy"] = ""  # logarithmic axes
    xlabel: str
    ylabel: str

    def rows(self, seed: int) -> list[dict[str, Any]]:
        """Return the rows of one seed."""
        knobs = dict(self.measured)
        function = get_method(knobs.pop("_target_"))
        found: list[dict[str, Any]] = function(seed, **typed(function, knobs, prefix="measured."))
        return found


@dataclass(frozen=True)
class Residual:
    """What was measured at one place, and what the theory says there."""

    entry: str
    series: Any
    x: Any
    theory: float
    measured: float | None  # mean over seeds; None: only the theory is known
    error: float  # standard error of the mean of measured - theory over seeds

    @property
    def residual(self) -> float:
        """(measured - theory) in standard errors; infinite if what differs has no spread."""
        assert self.measured is not None
        difference = self.measured - self.theory
        if self.error == 0:
            return 0.0 if difference == 0 else math.copysign(math.inf, difference)
        return difference / self.error

    @property
    def agrees(self) -> bool:
        """Whether the residual is at most `LARGEST`; not if it is not a number."""
        return self.measured is None or abs(self.residual) <= LARGEST


def entry_files(config_dir: Path | None = None) -> dict[str, Path]:
    """Return the files of configs/theory/, and of the same folder in one's own configs, by name."""
    folders = [CONFIGS, *([config_dir] if config_dir else [])]
    return {path.stem: path for folder in folders for path in sorted(folder.glob("theory/*.yaml"))}


def load_entry(path: Path) -> Entry:
    """Read an entry; raises `ConfigError` if it is none, or its function cannot be called so."""
    try:
        entry = Entry.model_validate(OmegaConf.to_container(OmegaConf.load(path)))
        knobs = dict(entry.measured)
        function = target("measured", {"_target_": knobs.pop("_target_", None)})
        inspect.signature(function).bind(0, **knobs)
        typed(function, knobs, prefix="measured.")
    except OSError as error:
        known = ", ".join(entry_files())
        raise ConfigError(f"there is no closed form {path.stem}: there are {known}") from error
    except (YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is not YAML: {one_line(error)}") from error
    except ValidationError as error:
        wrong = error.errors()[0]
        key = ".".join(map(str, wrong["loc"])) or "an entry"
        said = wrong["msg"].replace("Input should be", "must be")
        hint = did_you_mean(key, Entry.model_fields) if wrong["type"] == "extra_forbidden" else ""
        raise ConfigError(f"{path.name}: {key}: {said}{hint}") from error
    except (ConfigError, TypeError) as error:
        raise ConfigError(f"{path.name}: {one_line(error)}") from error
    return entry


def compare(name: str, entry: Entry, seeds: Sequence[list[dict[str, Any]]]) -> list[Residual]:
    """Return a residual for each place of an entry, from the rows of each seed.

    Theory and measurement of one seed are a pair: a theory that depends on what was drawn, as on a sample's kernel,
    differs between seeds too.
    """
    places: dict[tuple[Any, Any], list[tuple[float | None, float]]] = defaultdict(list)
    for rows in seeds:
        for row in rows:
            place = (row[entry.series] if entry.series else None, row[entry.x])
            places[place].append((row["measured"], row["theory"]))
    found = []
    for (series, x), pairs in places.items():
        theory = fmean(said for _, said in pairs)
        values = [value for value, _ in pairs if value is not None]
        if len(values) < 2:
            found.append(Residual(name, series, x, theory, None, 0.0))
            continue
        differences = [value - said for value, said in pairs if value is not None]
        error = stdev(differences) / math.sqrt(len(differences))
        found.append(Residual(name, series, x, theory, fmean(values), error))
    return found


def measure(entries: dict[str, Entry], processes: int) -> dict[str, list[Residual]]:
    """Measure all entries, every seed of each apart, in so many processes at a time."""
    tasks = [(name, seed) for name, entry in entries.items() for seed in range(entry.seeds)]
    given = [entries[name] for name, _ in tasks], [seed for _, seed in tasks]
    if processes > 1:
        with ProcessPoolExecutor(processes, get_context("spawn"), _one_thread) as pool:
            rows = list(pool.map(Entry.rows, *given))
    else:
        rows = list(map(Entry.rows, *given))
    by_name: dict[str, list[list[dict[str, Any]]]] = defaultdict(list)
    for (name, _), found in zip(tasks, rows, strict=True):
        by_name[name].append(found)
    return {name: compare(name, entries[name], by_name[name]) for name in entries}


def _one_thread() -> None:
    torch.set_num_threads(1)
