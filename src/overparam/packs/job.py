"""The jobs of a sweep, some of them packs, whatever launches them."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from overparam.errors import ConfigError, counted
from overparam.locks import locked
from overparam.packs.grouping import plan
from overparam.packs.record import Recorded, read_packs, read_speeds, write_packs
from overparam.packs.speeds import KEPT, Speeds
from overparam.packs.threads import pack_threads
from overparam.runs.identity import hash_of, run_directory
from overparam.runs.state import CHECKPOINT, AlreadyRunning, RunFailed, has_diverged
from overparam.sweeps.grid import Run
from overparam.sweeps.jobs import Together, members
from overparam.sweeps.offer import Offer
from overparam.training.build import Parts
from overparam.training.checks import one_of

log = logging.getLogger(__name__)


def pack_runs(
    todo: Sequence[Run], grid: Sequence[Run], parts: Mapping[Path, Parts], offer: Offer
) -> list[Together]:
    """Return the runs to train as jobs, each of one run or of several that are trained together, and say so.

    What is trained together is decided once, see `packs.record`: a job of runs that have been packed before is their
    pack, those among them that are finished or have diverged included, which keep their place.

    Args:
        todo: the runs to train.
        grid: all runs of the sweep.
        parts: what each run to train is made of, by its directory.
        offer: what the launcher has.
    """
    if todo[0].cfg.pack == "off":
        return [Together([run]) for run in todo]
    order = {run.directory: place for place, run in enumerate(grid)}
    jobs: list[Together] = []
    for folder in dict.fromkeys(run.directory.parent for run in todo):
        here = {run.identity: run for run in grid if run.directory.parent == folder}
        waiting = {run.identity: run for run in todo if run.directory.parent == folder}
        for pack in _packs(folder, list(waiting.values()), list(here), parts, offer):
            left = [name for name in pack.runs if name in waiting]
            # Its pack goes on without it.
            again = [name for name in left if has_diverged(waiting[name].directory)]
            jobs += [Together([waiting[name]]) for name in again]
            if len(left) > len(again):
                is_whole = here.keys() >= set(pack.runs)
                names = pack.runs if is_whole else [name for name in left if name not in again]
                jobs.append(Together([here[name] for name in names], _values(pack, here[names[0]])))
    if offer.slots == 1:  # one after the other: in the order of the grid, not the long ones first
        jobs.sort(key=lambda job: min(order[run.directory] for run in job.runs))
    packed = [len(job.runs) for job in jobs if len(job.runs) > 1]
    if packed:
        log.info("%d runs are trained together, packs: %d", sum(packed), len(packed))
    return jobs


def _values(pack: Recorded, run: Run) -> dict[str, Any]:
    if len(pack.runs) == 1 or pack.cpu_threads == run.cfg.cpu_threads:
        return {}
    if run.cfg.cpu_threads is not None:
        log.info("a pack goes on with cpu_threads=%d, as it began", pack.cpu_threads)
    return {"cpu_threads": pack.cpu_threads}


def _packs(
    folder: Path, todo: Sequence[Run], grid: Sequence[str], parts: Mapping[Path, Parts], offer: Offer
) -> list[Recorded]:
    """Return the packs that some of the runs are in, those recorded before and new ones, which are recorded."""
    named = {hash_of(name): name for name in grid}  # an earlier version may have recorded other names of them
    with locked(folder / ".packs.lock"):
        packs = [
            replace(pack, runs=tuple(named.get(hash_of(name), name) for name in pack.runs))
            for pack in read_packs(folder)
        ]
        known = {name for pack in packs for name in pack.runs}
        if new := [run for run in todo if run.identity not in known]:
            speeds = Speeds(read_speeds(folder), folder.parent / KEPT)
            packs += _new_packs(new, parts, offer, speeds)
            write_packs(folder, packs, speeds.recorded)
    names = {run.identity for run in todo}
    return [pack for pack in packs if not names.isdisjoint(pack.runs)]


def _new_packs(
    runs: Sequence[Run], parts: Mapping[Path, Parts], offer: Offer, speeds: Speeds
) -> list[Recorded]:
    untouched = [run for run in runs if not (run.directory / CHECKPOINT).exists()]  # others have begun alone
    like = {
        kind: run.cfg for kind, run in {run.kind: run for run in untouched}.items()
    }  # composing takes long
    cfgs = [like[run.kind] for run in untouched]
    packs: list[list[int]] = []
    alone: Counter[str] = Counter({"they have begun so": len(runs) - len(untouched)})
    if untouched:
        made_of = [parts[run.directory] for run in untouched]
        seeds = [run.seeds for run in untouched]
        packs, others = plan(list(zip(cfgs, made_of, strict=True)), cfgs[0].pack, offer.slots, seeds, speeds)
        alone += others
    for reason, count in (+alone).items():
        log.info("%s %s trained alone: %s", counted(count, "run"), "is" if count == 1 else "are", reason)
    together = [
        Recorded(
            tuple(untouched[index].identity for index in pack),
            cfgs[pack[0]].cpu_threads
            or pack_threads(
                [made_of[index] for index in pack], cfgs[pack[0]].trainer.accelerator, offer.cores_per_job
            ),
        )
        for pack in packs
    ]
    packed = {name for pack in together for name in pack.runs}
    threads = runs[0].cfg.cpu_threads or 1
    return together + [Recorded((run.identity,), threads) for run in runs if run.identity not in packed]


def run_job(cfg: DictConfig, show: Sequence[tuple[str, str]] | None = None) -> float | None:
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
        raise RunFailed(
            f"{len(errors)} of the pack's {counted(len(cfgs), 'run')} failed, the first is {first}"
        )
    return min(_objective(result, cfg.objective) for result in results if not isinstance(result, Exception))


def _objective(summary: Mapping[str, Any], key: str) -> Any:
    if key not in summary:  # of what measures add, nobody knows before
        known = sorted(name for name, value in summary.items() if isinstance(value, int | float))
        raise ConfigError(
            f"the run is finished, and has no objective={key}: its summary.json has {one_of(known)}"
        )
    return summary[key]
