"""A pack as one job of a sweep, whatever launches it."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from overparam.errors import ConfigError, one_line
from overparam.packs.grouping import plan
from overparam.runs.identity import resolved_values, run_directory
from overparam.runs.secrets import from_environment
from overparam.runs.state import AlreadyRunning, RunFailed
from overparam.runs.summary import whole
from overparam.sweeps.grid import Job, Run
from overparam.training.build import Parts
from overparam.training.checks import one_of

log = logging.getLogger(__name__)

PACKS = ".packs"  # in the sweep's folder: what each pack consists of


def make_jobs(runs: Sequence[Run], parts: Mapping[Path, Parts], slots: int) -> list[Job]:
    """Return the jobs of a sweep, see `sweeps.sweep.MakeJobs`: a pack is one."""
    # A worker may have another working directory.
    return [
        Job(job, overrides(job, str(job[0].directory.parent.parent.absolute())))
        for job in pack_runs(runs, parts, slots)
    ]


def pack_runs(runs: Sequence[Run], parts: Mapping[Path, Parts], jobs: int) -> list[list[Run]]:
    """Return the runs as jobs, each of one run or of several that are trained together, and say so.

    Args:
        runs: the runs to train.
        parts: what each is made of, by its directory.
        jobs: how many jobs run on this machine at once.
    """
    packing = runs[0].cfg.pack
    if packing == "off":
        return [[run] for run in runs]  # ten thousand configs need not be composed
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


def overrides(job: Sequence[Run], logs: str) -> list[str]:
    """Return what a launcher composes the job from: a run's overrides, and where its pack's members are listed."""
    quoted = logs.replace("'", "\\'")
    first = [*job[0].overrides, f"paths.logs='{quoted}'"]
    if len(job) == 1:
        return first
    members = []
    for run in job:
        cfg = resolved_values(run.cfg)
        members.append({**cfg, "paths": {**cfg["paths"], "logs": logs}})
    text = json.dumps(from_environment(members))
    file = job[0].directory.parent / PACKS / f"{hashlib.sha256(text.encode()).hexdigest()[:10]}.json"
    file.parent.mkdir(exist_ok=True)
    with whole(file) as beside:
        beside.write_text(text)
    path = str(file.absolute()).replace("'", "\\'")
    return [*first, f"+members='{path}'"]


def members(cfg: DictConfig) -> list[DictConfig]:
    """Return the configs of the runs of a job: of a pack's members, or the one that `cfg` is."""
    if not cfg.get("members"):
        return [cfg]
    try:
        return [OmegaConf.create(member) for member in json.loads(Path(cfg.members).read_text())]
    except (TypeError, ValueError) as error:
        raise ConfigError(f"members={cfg.members} is no list of a pack's runs: {one_line(error)}") from error


def run_job(cfg: DictConfig, show: bool = False) -> float | None:
    """Train the run or the pack that `cfg` describes; return what a search minimizes, of a pack its lowest.

    Args:
        cfg: the config that the job was composed to.
        show: see `overparam.training.run.train`.

    Raises:
        RunFailed: if members of a pack failed; their directories say why.
        AlreadyRunning: if another process is training the run, or what is left of the pack.
    """
    from overparam.packs.pack import train_pack
    from overparam.training.run import train

    cfgs = members(cfg)
    if len(cfgs) == 1:
        return _objective(train(cfg, show), cfg.objective)
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
