"""The points of a sweep over choices that bring grids of their own, such as `experiment=model_wise,sample_wise`."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from overparam.errors import ConfigError
from overparam.sweeps.grid import grid_points, is_group


def sweep_points(
    loader: ConfigLoader, master: DictConfig, params: Mapping[str, Any], arguments: Sequence[str]
) -> list[list[str]]:
    """Return the overrides of every point of a sweep.

    Hydra gives the sweep the grid (`hydra.sweeper.params`) of an experiment that is chosen, but of none that is swept
    over. Here each of several has its own grid, over which the command line's own values have the last word.

    Args:
        loader: Hydra's config loader.
        master: the sweep's own config.
        params: its grid, values by key.
        arguments: the overrides of the command line.

    Raises:
        ConfigError: if a choice that is swept over asks for another sweeper or launcher than the sweep has.
    """
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(list(arguments))
    # Choices of a group with a section of its own set values there, and know of no grid.
    groups = [
        override
        for override in parsed
        if override.is_discrete_sweep()
        and override.key_or_group not in master
        and is_group(loader, master, override.key_or_group)
    ]
    if not groups:
        return grid_points(loader, [*_as_overrides(params), *arguments])
    fixed = [str(override.input_line) for override in parsed if not override.is_sweep_override()]
    others = [str(override.input_line) for override in parsed if override not in groups]
    each = [
        [f"{override.get_key_element()}={choice}" for choice in override.sweep_string_iterator()]
        for override in groups
    ]
    points = []
    for choices in product(*each):
        hydra = loader.load_sweep_config(master, [*fixed, *choices]).hydra
        for section in ("sweeper", "launcher"):
            if _without_grid(hydra[section]) != _without_grid(master.hydra[section]):
                raise ConfigError(
                    f"{' '.join(choices)} sets hydra.{section}, and a sweep has one: give it a command of its own"
                )
        own = OmegaConf.to_container(hydra.sweeper.params, resolve=True) if hydra.sweeper.params else {}
        points += grid_points(loader, [*_as_overrides(own), *others, *choices])
    return points


def _as_overrides(params: Any) -> list[str]:
    if not isinstance(params, Mapping):
        raise ConfigError(f"hydra.sweeper.params must be the grid, values by key, got {params!r}")
    return [f"{key}={'null' if value is None else value}" for key, value in params.items()]


def _without_grid(node: DictConfig) -> dict[Any, Any]:
    plain: Any = OmegaConf.to_container(node)
    return {key: value for key, value in plain.items() if key != "params"}
