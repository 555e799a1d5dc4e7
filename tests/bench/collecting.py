"""(e) What many runs cost beside training: planning and packing them; a job of them, as a scheduler starts it; and,
finished, recognizing them, one table of them, a report. Seconds are those of the CPU."""

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.global_hydra import GlobalHydra

from overparam.analysis.collect import collect
from overparam.analysis.report import report
from overparam.analysis.stamps import REPORT
from overparam.packs.job import pack_runs, run_job
from overparam.runs.state import State, state
from overparam.runs.summary import SUMMARY, write_json
from overparam.sweeps.check import check
from overparam.sweeps.grid import Run, expand
from overparam.sweeps.jobs import Job, planned_job, planned_jobs
from overparam.sweeps.offer import Offer
from overparam.training.run import train
from tests.bench.pairs import Result, middle, paired
from tests.conftest import CONFIGS, compose_config

WAYS = ("plan and pack", "resume scan", "collect, cold", "collect, warm", "report")
COUNTS = (100, 1000, 10_000)
JOBS = (10, 100, 1000)  # runs of one job
SEEDS = 10


def runs(grid: Sequence[Sequence[str]]) -> list[Run]:
    """Compose and name the runs of a grid."""
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        master = compose("train", return_hydra_config=True)
        return expand(GlobalHydra.instance().config_loader(), master, grid)


@contextmanager
def packed(planned: list[Run]) -> Iterator[list[Job]]:
    """Give the jobs of a sweep that nothing has been trained of."""
    offer, folder = Offer(BasicLauncher()), planned[0].directory.parent
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with planned_jobs(pack_runs(planned, planned, check(planned, offer), offer)) as jobs:
        yield jobs


def job(count: int) -> float:
    """Return the seconds of one job of so many runs, in a pack, of one step each: nearly all is not training."""
    with tempfile.TemporaryDirectory() as folder:
        common = ("logger=local", "trainer.accelerator=cpu", f"paths.logs={folder}", "name=job")
        small = ("trainer.max_steps=1", "data.batch_size=100")
        points = [(width, seed) for width in range(1, 11) for seed in range(count // 10)]
        grid = [[f"model.width={width}", f"seed={seed}", *common, *small] for width, seed in points]
        with packed(runs(grid)) as (only,):
            started = time.process_time()
            cfg = planned_job(only.overrides)
            assert cfg is not None
            run_job(cfg)
            return time.process_time() - started


class Finished:
    """A sweep of `count` finished runs, widths x 10 seeds, in `folder`: copies of one that was trained."""

    def __init__(self, count: int, folder: Path) -> None:
        self.sweep = folder / "logs" / "finished"
        common = [f"paths.logs={self.sweep.parent}", f"name={self.sweep.name}", "logger=local"]
        places = [(width, seed) for width in range(1, count // SEEDS + 1) for seed in range(SEEDS)]
        self.grid = [[f"model.width={width}", f"seed={seed}", *common] for width, seed in places]
        cfg = compose_config(
            "logger=local", "trainer.accelerator=cpu", f"paths.logs={folder}", "name=pattern"
        )
        summary = train(cfg)
        pattern = folder / "pattern" / summary["identity"]
        for named, (width, seed) in zip(self.runs(), places, strict=True):
            directory = named.directory
            directory.mkdir(parents=True)
            for file in ("config.yaml", "metrics.csv", "provenance.json"):
                shutil.copyfile(pattern / file, directory / file)
            config = {**summary["config"], "model.width": width, "seed": seed}
            mine = {"identity": directory.name, "name": self.sweep.name, "config": config}
            write_json(directory / SUMMARY, {**summary, **mine})

    def runs(self, *more: str) -> list[Run]:
        """Compose and name every run of the grid, as a sweep does first."""
        return runs([[*point, *more] for point in self.grid])

    def planned(self) -> int:
        """Do what a sweep of as many runs does before its first step; return how many are in its jobs."""
        with packed(self.runs("name=planned")) as jobs:
            return sum(len(job.runs) for job in jobs)

    def seconds(self, way: str) -> float:
        """Return the seconds of one of `WAYS`."""
        if way == "collect, cold":
            shutil.rmtree(self.sweep / REPORT, ignore_errors=True)
        started = time.process_time()
        if way == "plan and pack":
            done = self.planned()
        elif way == "resume scan":
            done = sum(state(run.directory) == State.FINISHED for run in self.runs())
        elif way == "report":
            report(self.sweep)
            done = len(collect(self.sweep))
        else:
            done = len(collect(self.sweep))
        taken = time.process_time() - started
        assert done == len(self.grid)
        return taken


def run(short: bool) -> Result:
    """Time every way on sweeps of growing size."""
    table = [f"| runs, CPU seconds of | {' | '.join(WAYS)} |", "|---|" + "---|" * len(WAYS)]
    result = Result(table, "Many runs", "runs", seconds="CPU seconds", figure="growth.png")
    for count in COUNTS[: 1 if short else None]:
        with tempfile.TemporaryDirectory() as folder:
            times = paired(
                WAYS, Finished(count, Path(folder)).seconds, 1 if short or count == COUNTS[-1] else 3
            )
        table.append(f"| {count:,} | {' | '.join(f'{middle(times, way):.2f} s' for way in WAYS)} |")
        for way in WAYS:
            result.add(way, count, middle(times, way))
    table += [
        "",
        "| runs in one job, a pack | CPU seconds of a step of each and all around it |",
        "|---|---|",
    ]
    job(10)  # imports are not counted
    for count in JOBS[: 1 if short else None]:
        result.add("one job", count, job(count))
        table.append(f"| {count:,} | {result.curves['one job'][-1][1]:.2f} s |")
    return result
