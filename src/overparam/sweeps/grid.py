"""From the overrides of a sweep to its runs: composed, checked and named before anything starts."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict

from overparam.assemble import resolve
from overparam.sweeps.identity import identity


@dataclass(frozen=True)
class Run:
    """One run of a sweep."""

    identity: str
    overrides: list[str]  # what Hydra composes it from
    cfg: DictConfig


def expand(loader: ConfigLoader, master: DictConfig, grid: Iterable[Sequence[str]]) -> list[Run]:
    """Compose the runs of a grid; two points with the same values are one run.

    Composing takes Hydra a third of a second, so it happens once for each distinct choice of groups; plain
    values are set on a copy of the result, as Hydra itself would.

    Args:
        loader: Hydra's config loader.
        master: the sweep's own config.
        grid: the overrides of every point.
    """
    parser = OverridesParser.create(config_loader=loader)
    composed: dict[tuple[str, ...], DictConfig] = {}
    runs: dict[str, Run] = {}
    for point in grid:
        overrides = parser.parse_overrides(list(point))
        values = [o for o in overrides if _is_plain_value(loader, o)]
        groups = tuple(str(o.input_line) for o in overrides if not _is_plain_value(loader, o))
        if groups not in composed:
            cfg = loader.load_sweep_config(master, list(groups))
            with open_dict(cfg):
                del cfg["hydra"]
            composed[groups] = cfg
        if any(OmegaConf.select(composed[groups], o.key_or_group, default=o) is o for o in values):
            loader.load_sweep_config(master, list(point))  # raises Hydra's own account of the unknown key
        cfg = copy.deepcopy(composed[groups])
        for override in values:
            OmegaConf.update(cfg, override.key_or_group, override.value(), merge=True)
        cfg = resolve(cfg)
        run = Run(identity(cfg), list(point), cfg)
        runs.setdefault(run.identity, run)
    return list(runs.values())


def _is_plain_value(loader: ConfigLoader, override: Override) -> bool:
    is_change = not (override.is_add() or override.is_force_add() or override.is_delete())
    return is_change and override.package is None and not loader.get_group_options(override.key_or_group)
