"""From the overrides of a sweep to its runs: composed and named before anything starts."""

import copy
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from overparam.compat_hydra import compose_job
from overparam.errors import ConfigError
from overparam.runs.choices import record_choices
from overparam.runs.identity import (
    counts,
    flat_values,
    flatten,
    name_of,
    references,
    run_directory,
    run_folder,
)
from overparam.runs.keys import interpolations, refuse_filled_in, refuse_unknown_keys
from overparam.runs.names import folder_name, logs_folder
from overparam.runs.pretrained import may_name_weights

SEEDS = {"seed", "data.seed", "data.order_seed"}
OWN_MODULE = "overparam.training.module.SupervisedModule"  # uses all sections of the config
# Texts that are read as something else where a number or a truth value is asked for.
READ_OTHERWISE = re.compile(
    r"\s*([-+]?[.\d][\d._]*(e[-+]?\d+)?|[-+]?inf(inity)?|nan|true|false|yes|no|on|off|[tfyn])\s*",
    re.IGNORECASE,
)
LONGEST_CHAIN = 9  # references from one value to the next; more are taken for a circle


@dataclass(frozen=True)
class Run:
    """One run of a sweep."""

    identity: str
    directory: Path  # <paths.logs>/<name>/<identity>
    overrides: list[str]  # what Hydra composes it from
    composer: "Composer" = field(repr=False)

    @property
    def cfg(self) -> DictConfig:
        """The composed config, without `hydra` and resolved (`training.build.resolve`); composed anew each time."""
        from overparam.training.build import resolve

        return resolve(self.composer.compose(self.overrides))

    @property
    def kind(self) -> Hashable:
        """Equal for runs that differ only in integer seeds: if one of them can be trained, so can the others."""
        return self.composer.kind(self.overrides)

    @property
    def seeds(self) -> dict[str, int]:
        """The values of its config, by dotted key, in which it differs from others of its `kind`."""
        return self.composer.seeds(self.overrides)


class Composer:
    """Composes configs from overrides as Hydra does, but once for each distinct choice of groups.

    Composing takes Hydra a tenth to a third of a second. Setting plain values is the last thing it does, so here they
    are set on a copy of what was composed before for the same choice of groups.

    Args:
        loader: Hydra's config loader.
        master: the sweep's own config.
    """

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        self.loader, self.master = loader, master
        self._parser = OverridesParser.create(config_loader=loader)
        self._templates: dict[tuple[Any, ...], _Template] = {}
        self._is_group = lru_cache(maxsize=None)(lambda key: is_group(loader, master, key))
        self._parse = lru_cache(maxsize=None)(self._parse_one)

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """Return a config of its own for `overrides`, without `hydra`."""
        template, values = self._template(overrides)
        cfg = copy.deepcopy(template.cfg)
        set_values(cfg, values)
        return cfg

    def shared(self, overrides: Sequence[str]) -> tuple[DictConfig, dict[str, Any]] | None:
        """Return a config that many runs share, and the values to set on it that make it the run's, here or elsewhere.

        None if a value depends on more than the config, as one of the environment does.
        """
        template, values = self._template(overrides)
        return (template.cfg, values) if template.says_all and template.takes(values) else None

    def run(self, overrides: Sequence[str]) -> Run:
        """Return the run that `overrides` describe; its config is composed when asked for.

        Raises:
            ConfigError: if they set a key that nothing reads.
        """
        template, values = self._template(overrides)
        directory = template.run_directory(values)
        return Run(directory.name, directory, list(overrides), self)

    def kind(self, overrides: Sequence[str]) -> Hashable:
        """See `Run.kind`."""
        template, values = self._template(overrides)
        rest = {k: v for k, v in values.items() if k not in template.free(values)}
        return id(template), repr(sorted(rest.items()))

    def seeds(self, overrides: Sequence[str]) -> dict[str, int]:
        """See `Run.seeds`."""
        template, values = self._template(overrides)
        free = template.free(values)
        return {key: values[source] for key, source in template.source.items() if source in free}

    def _template(self, overrides: Sequence[str]) -> tuple["_Template", dict[str, Any]]:
        parsed = [self._parse(text) for text in overrides]
        groups = [text for text, (key, _) in zip(overrides, parsed, strict=True) if key is None]
        values = {key: value for key, value in parsed if key is not None}
        refuse_filled_in(values)
        choice = (*groups, None, *sorted(values))
        if choice not in self._templates:
            cfg, chosen, known = compose_job(self.loader, self.master, groups)
            refuse_unknown_keys(cfg, known)
            if "members" in cfg:
                raise ConfigError("members is set by sweeps only: leave it out")
            missing = object()
            if any(OmegaConf.select(cfg, key, default=missing) is missing for key in values):
                compose_job(self.loader, self.master, overrides)  # raises Hydra's own error about the key
            record_choices(cfg, chosen, known)
            self._templates[choice] = _Template(cfg, list(values))
        return self._templates[choice], values

    def _parse_one(self, text: str) -> tuple[str | None, Any]:
        """Return key and value of an override that only sets a value; of any other, None."""
        override: Override = self._parser.parse_override(text)
        is_change = not (override.is_add() or override.is_force_add() or override.is_delete())
        key = override.key_or_group
        if not is_change or override.package is not None or self._is_group(key):
            return None, None
        value = override.value()
        return (None, None) if isinstance(value, dict) else (key, value)  # a dict is merged, not set


def changes_nothing(key: str) -> bool:
    """Return whether runs that differ in a key alone, or in a group's choice, are one run."""
    tells_runs_apart = key in ("name", "few_samples") or _is_in(key, "paths")
    return not counts(key) and not tells_runs_apart


def is_group(loader: ConfigLoader, master: DictConfig, key: str) -> bool:
    """Return whether a key is a config group's, of the lab, of `--config-dir` or of `hydra.searchpath`."""
    # Folders that hydra.searchpath names are not among the loader's own.
    folders = [Path(str(folder).removeprefix("file://")) for folder in master.hydra.searchpath]
    return bool(loader.get_group_options(key)) or any((path / key).is_dir() for path in folders)


def set_values(cfg: DictConfig, values: dict[str, Any]) -> None:
    """Set values by their dotted keys."""
    for key, value in values.items():
        OmegaConf.update(cfg, key, value)


class _Template:
    """A composed choice of groups in which the values of `keys` change from run to run.

    Resolving a config takes milliseconds, so flat values that are a swept value, or an interpolation `${key}`
    of one, are filled in; only where a swept value reaches the identity in another way is it resolved anew.
    """

    def __init__(self, cfg: DictConfig, keys: list[str]) -> None:
        self.cfg = cfg
        self.source = {key: key for key in keys if counts(key)}
        # OmegaConf names a value in a list otherwise than an override does.
        in_lists = any(part.isdigit() for key in keys for part in key.split("."))
        self.is_plain = _resolves_to_itself(cfg, keys) and not in_lists
        plain: Any = OmegaConf.to_container(cfg)
        try:
            flat = flat_values(cfg)
        except OmegaConfBaseException:  # a value refers to one that is swept, and has none here
            flat, self.is_plain = {}, False
        self.is_plain &= not _may_be_read_otherwise(flat)
        self.is_plain &= not may_name_weights(flat) and "'sha256'" not in str(plain)
        for key, text in references(plain):
            if key in keys or _names_only_paths(text):
                continue
            source = _followed(text, plain, keys)
            if source is not None and _is_in(source, "paths"):
                continue
            if source in keys:
                self.source[key] = source
            elif source is None or any(_is_in(source, swept) or _is_in(swept, source) for swept in keys):
                self.is_plain = False
        others = {source for key, source in self.source.items() if key not in SEEDS}
        self.free_seeds = SEEDS - others if self.is_plain else set()  # those that no other value depends on
        self.says_all = self.is_plain and all(
            text.count("${") == len(re.findall(r"\$\{\.*\w[\w.]*\}", text)) for text in interpolations(plain)
        )
        self.constant = {k: v for k, v in flat.items() if not any(_is_in(k, key) for key in self.source)}

    def free(self, values: dict[str, Any]) -> set[str]:
        """Return the swept seeds that nothing but seeds depends on."""
        if _refers(values) or may_name_weights(values):
            return set()
        return {key for key in self.free_seeds if type(values.get(key)) is int}

    def takes(self, values: dict[str, Any]) -> bool:
        """Return whether values are what they seem."""
        return not (_refers(values) or _may_be_read_otherwise(values) or may_name_weights(values))

    def run_directory(self, values: dict[str, Any]) -> Path:
        """Return the directory of the run with these values."""
        if not self.is_plain or not self.takes(values):
            from overparam.training.build import resolve

            set_values(self.cfg, values)
            return run_directory(resolve(self.cfg))
        logs = logs_folder(values.get("paths.logs", self.cfg.paths.logs))
        folder = logs / folder_name(values.get("name", self.cfg.name))
        flat = dict(self.constant)
        for key, source in self.source.items():
            flatten(key, values[source], flat)
        return run_folder(folder, name_of(flat))


def _resolves_to_itself(cfg: DictConfig, keys: list[str]) -> bool:
    """Return whether `training.build.resolve` changes nothing, and the sweep's folder refers to nothing."""
    looked_up = ("model.target_params", "init_from", "few_samples", "continue_from")
    module = OmegaConf.select(cfg, "module._target_")
    return (
        not OmegaConf.is_interpolation(cfg, "name")
        and not OmegaConf.is_interpolation(cfg.paths, "logs")
        and all(OmegaConf.select(cfg, key) is None and key not in keys for key in looked_up)
        and module in (None, OWN_MODULE)
        and not any(key.partition(".")[0] == "module" for key in keys)
    )


def _names_only_paths(text: str) -> bool:
    """Return whether a value refers to nothing but folders of `paths`, which leave no trace in an identity."""
    return text.count("${") == len(re.findall(r"\$\{paths\.[\w.]+\}", text))


def _followed(text: str, plain: dict[str, Any], keys: Sequence[str]) -> str | None:
    """Return the key that a chain of references `${key}` ends at, one of `keys` or a value; None of anything else."""
    key = None
    for _ in range(LONGEST_CHAIN):
        simple = re.fullmatch(r"\$\{(\w[\w.]*)\}", text)
        if simple is None:
            return None
        key = simple[1]
        if key in keys:
            return key
        value: Any = plain
        for name in key.split("."):
            if not isinstance(value, dict) or name not in value:
                return None
            value = value[name]
        if "${" not in str(value):
            return key
        text = str(value)
    return None


def _refers(values: dict[str, Any]) -> bool:
    return any("${" in str(value) for value in values.values())


def _may_be_read_otherwise(values: Mapping[str, Any]) -> bool:
    """Return whether an annotation may say that a text stands for another value (see `training.knobs`)."""
    return any(isinstance(value, str) and READ_OTHERWISE.fullmatch(value) for value in values.values())


def _is_in(key: str, section: str) -> bool:
    return key == section or key.startswith(f"{section}.")


def grid_points(loader: ConfigLoader, arguments: Sequence[str]) -> list[list[str]]:
    """Return the overrides of every point of a grid, as Hydra's basic sweeper orders them.

    Args:
        loader: Hydra's config loader.
        arguments: overrides, those that sweep among them; of two with the same key the last counts.

    Raises:
        HydraException: if one of them is a range of a search, not a list of values.
    """
    values: dict[str, list[str]] = {}
    for override in OverridesParser.create(config_loader=loader).parse_overrides(list(arguments)):
        key = override.get_key_element()
        if not override.is_sweep_override():
            values[key] = [f"{key}={override.get_value_element_as_str()}"]
        elif override.is_discrete_sweep():
            values[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
            if not values[key]:
                raise ConfigError(f"{override.input_line} has no values: nothing would be run")
            if len(set(values[key])) > 1 and changes_nothing(override.key_or_group):
                raise ConfigError(
                    f"{override.input_line}: a run's result does not depend on it: give one value"
                )
        else:
            raise HydraException(
                f"{override.input_line} is for a search, such as sweep=optuna; a grid needs values"
            )
    return [list(point) for point in product(*values.values())]


def expand(loader: ConfigLoader, master: DictConfig, grid: Iterable[Sequence[str]]) -> list[Run]:
    """Return the runs of a grid; two points with the same values are one run.

    Args:
        loader: Hydra's config loader.
        master: the sweep's own config.
        grid: the overrides of every point.
    """
    composer = Composer(loader, master)
    runs: dict[Path, Run] = {}
    for point in grid:
        run = composer.run(point)
        runs.setdefault(run.directory, run)
    return list(runs.values())
