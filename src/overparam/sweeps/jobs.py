"""What a launcher is given of a sweep: jobs, each one line of a file that holds the configs of its runs.

Hydra's launchers compose a job's config from overrides when its turn comes, maybe hours later and on another machine,
from config files that may be others by then. So a sweep writes down what it planned, and a job reads that.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import yaml
from omegaconf import DictConfig, OmegaConf

from overparam.errors import ConfigError
from overparam.runs.identity import hash_of, identity, resolved_values
from overparam.runs.secrets import from_environment
from overparam.sweeps.grid import Run, set_values

JOBS = ".jobs"  # in a sweep's folder, while it is trained
PLANNED = "+members="  # begins the override that says where the configs of a job's runs stand


@dataclass(frozen=True)
class Together:
    """Runs that are one job: a run, or several that are trained together."""

    runs: Sequence[Run]
    values: Mapping[str, Any] = field(
        default_factory=dict
    )  # what the job sets in their configs, by dotted key


@dataclass(frozen=True)
class Job:
    """What a launcher runs as one."""

    runs: Sequence[Run]
    overrides: Sequence[str]  # those of the first run, for people, and where the configs of all stand


@contextmanager
def planned_jobs(groups: Sequence[Together]) -> Iterator[list[Job]]:
    """Write the configs of runs to a file and give the jobs that train them, one for each group.

    The file goes when the jobs have ended; where the launching process is killed, those that still run need it.
    """
    folder = groups[0].runs[0].directory.parent.absolute() / JOBS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{uuid4().hex}.yaml"
    beside = path.with_suffix(".part")
    jobs = []
    with beside.open("wb") as file:
        shared: dict[int, list[int]] = {}  # where a config that runs share stands, by its id
        for group in groups:
            start, end = _write(file, [_plan(file, run, shared, group.values) for run in group.runs])
            jobs.append(Job(group.runs, [*group.runs[0].overrides, f"{PLANNED}{path}:{start}:{end}"]))
    beside.replace(path)
    yield jobs
    path.unlink()
    with suppress(OSError):  # another sweep has jobs in it
        folder.rmdir()


def _plan(file: BinaryIO, run: Run, shared: dict[int, list[int]], also: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's identity, where a config stands, and the values to set on it that make it the run's."""
    from overparam.training.build import resolve

    # A worker may be in another folder.
    values = {"paths.logs": str(run.directory.parent.parent.absolute()), **also}
    if (common := run.composer.shared(run.overrides)) is None:
        cfg = run.composer.compose(run.overrides)
        set_values(cfg, values)
        return {"identity": run.identity, "base": _write(file, resolved_values(resolve(cfg))), "values": {}}
    cfg, own = common
    if id(cfg) not in shared:
        shared[id(cfg)] = _write(file, OmegaConf.to_container(cfg))
    return {"identity": run.identity, "base": shared[id(cfg)], "values": {**own, **values}}


def _write(file: BinaryIO, content: Any) -> list[int]:
    """Append YAML to a file; return where it starts and ends."""
    start = file.tell()
    file.write(yaml.dump(from_environment(content), Dumper=_Plain, sort_keys=False).encode())
    return [start, file.tell()]


class _Plain(yaml.CSafeDumper):
    """Writes what many runs share out in full."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def planned_job(overrides: Sequence[str]) -> DictConfig | None:
    """Return the config of a job of `planned_jobs`, that of its first run and where all stand; None of any other."""
    found = [text for text in overrides if text.startswith(PLANNED)]
    if not found:
        return None
    place = found[-1].removeprefix(PLANNED)
    path, planned = _read_job(place)
    cfg = _config(path, planned[0])
    cfg.members = place
    return cfg


def members(cfg: DictConfig) -> list[DictConfig]:
    """Return the configs of the runs of a job: those that were planned, or the one that `cfg` is.

    Raises:
        ConfigError: if one of them describes another run than was planned, or no sweep planned this job.
    """
    if not cfg.get("members"):
        return [cfg]
    from overparam.training.build import resolve

    path, runs = _read_job(str(cfg.members))
    found = []
    for planned in runs:
        member = _config(path, planned)
        if hash_of(name := identity(resolve(member))) != hash_of(planned["identity"]):
            raise ConfigError(
                f"{planned['identity']} was planned, and its config is now that of {name}: try again"
            )
        found.append(member)
    return found


def _read_job(place: str) -> tuple[str, list[dict[str, Any]]]:
    """Return where a job's configs stand, FILE:START:END, as the file's path and what it says of the job's runs."""
    match = re.fullmatch(r"(.+):(\d+):(\d+)", place)
    if match is None:
        raise ConfigError(
            f"members={place} is no job of a sweep: members is set by sweeps only, leave it out"
        )
    return match[1], _read(match[1], int(match[2]), int(match[3]))


def _config(path: str, planned: dict[str, Any]) -> DictConfig:
    cfg = OmegaConf.create(_read(path, *planned["base"]))
    set_values(cfg, planned["values"])
    return cfg


def _read(path: str, start: int, end: int) -> Any:
    try:
        with Path(path).open("rb") as file:
            file.seek(start)
            return yaml.load(file.read(end - start), Loader=yaml.CSafeLoader)
    except OSError as error:
        raise ConfigError(f"the configs of this job are gone, {path}: start the sweep again") from error
