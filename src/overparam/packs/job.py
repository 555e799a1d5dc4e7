"""The jobs of a sweep, some of them packs, whatever launches them."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from overparam.errors import ConfigError
from overparam.packs.grouping import plan
from overparam.runs.identity import run_directory
from overparam.runs.state import AlreadyRunning, RunFailed
from overparam.sweeps.grid import Run
from overparam.sweeps.jobs import members
from overparam.training.build import Parts
from overparam.training.checks import one_of

log = logging.getLogger(__name__)


def pack_runs(runs: Sequence[Run], parts: Mapping[Path, Parts], jobs: int) -> list[list[Run]]:
    """Return the runs as jobs, each of one run or of several that are trained together, and say so.

    Args:
        runs: the runs to train.
        parts: what each is made of, by its directory.
        jobs: how many jobs run on this machine at once.
    """
    packing = runs[0].cfg.pack
    if packing == "off":
        return [[run] for run in runs]
    packs, alone = plan([(run.cfg, parts[run.directory]) for run in runs], packing, jobs)
    packed = {index for pack in packs for index in pack}
    if packs:
        log.info("%d runs are trained together, packs: %d", len(packed), len(packs))
    for reason, count in alone.items():
        log.info("%d runs are trained alone: %s", count, reason)
    grouped = packs + [[index] for index in range(len(runs)) if index not in packed]
    if jobs == 1:
        grouped.sort(key=min)  # one after the other: in the order of the grid, not the long ones first
    return [[runs[index] for index in job] for job in grouped]


def run_job(cfg: DictConfig, show: bool = False) -> float | None:
    """Train the run or the pack that `cfg` describes; return what a search minimizes, of a pack its lowest.

    Args:
        cfg: a run's config, or that of a job of a sweep, see `overparam.sweeps.jobs`.
        show: see `overparam.training.run.train`.

    Raises:
        RunFailed: if members of a pack failed; their directories say why.
        AlreadyRunning: if another process is training the run, or what is left of the pack.
    """
    from overparam.packs.pack import train_pack
    from overparam.training.run import train

    cfgs = members(cfg)
    if len(cfgs) == 1:
        return _objective(train(cfgs[0], show), cfg.objective)
    results = train_pack(cfgs)
    errors = {run_directory(c): r for c, r in zip(cfgs, results, strict=True) if isinstance(r, Exception)}
    if errors and all(isinstance(error, AlreadyRunning) for error in errors.values()):
        raise next(iter(errors.values()))
    if errors:
        first = next(iter(errors)).name
        raise RunFailed(f"{len(errors)} of the pack's {len(cfgs)} runs failed, the first is {first}")
    return min(_objective(result, cfg.objective) for result in results if not isinstance(result, Exception))


def _objective(summary: Mapping[str, Any], key: str) -> Any:
    if key not in summary:  # of what measures add, nobody knows before
        known = sorted(name for name, value in summary.items() if isinstance(value, int | float))
        raise ConfigError(
            f"the run is finished, and has no objective={key}: its summary.json has {one_of(known)}"
        )
    return summary[key]
