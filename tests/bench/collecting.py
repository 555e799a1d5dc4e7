"""(e) What many runs cost: planning and packing them; and, finished, recognizing them, one table of them, a report."""

import shutil
import tempfile
import time
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.global_hydra import GlobalHydra

from overparam.analysis.collect import collect
from overparam.analysis.report import report
from overparam.analysis.stamps import REPORT
from overparam.packs.job import pack_runs
from overparam.runs.state import State, state
from overparam.runs.summary import SUMMARY, write_json
from overparam.sweeps.check import check
from overparam.sweeps.grid import Run, expand
from overparam.sweeps.jobs import planned_jobs
from overparam.sweeps.offer import Offer
from overparam.training.run import train
from tests.bench.pairs import Result, middle, paired
from tests.conftest import CONFIGS, compose_config

WAYS = ("plan and pack", "resume scan", "collect, cold", "collect, warm", "report")
COUNTS = (100, 1000, 10_000)
SEEDS = 10


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
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            master = compose("train", return_hydra_config=True)
            grid = [[*point, *more] for point in self.grid]
            return expand(GlobalHydra.instance().config_loader(), master, grid)

    def planned(self) -> int:
        """Do what a sweep of as many runs does before its first step; return how many are in its jobs."""
        runs, offer = self.runs("name=planned"), Offer(BasicLauncher())
        folder = runs[0].directory.parent
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        with planned_jobs(pack_runs(runs, runs, check(runs, offer), offer)) as jobs:
            return sum(len(job.runs) for job in jobs)

    def seconds(self, way: str) -> float:
        """Return the seconds of one of `WAYS`."""
        if way == "collect, cold":
            shutil.rmtree(self.sweep / REPORT, ignore_errors=True)
        started = time.perf_counter()
        if way == "plan and pack":
            done = self.planned()
        elif way == "resume scan":
            done = sum(state(run.directory) == State.FINISHED for run in self.runs())
        elif way == "report":
            report(self.sweep)
            done = len(collect(self.sweep))
        else:
            done = len(collect(self.sweep))
        taken = time.perf_counter() - started
        assert done == len(self.grid)
        return taken


def run(short: bool) -> Result:
    """Time every way on sweeps of growing size."""
    table = [f"| runs | {' | '.join(WAYS)} |", "|---|" + "---|" * len(WAYS)]
    result = Result(table, "Many runs", "runs")
    for count in COUNTS[: 1 if short else None]:
        with tempfile.TemporaryDirectory() as folder:
            times = paired(
                WAYS, Finished(count, Path(folder)).seconds, 1 if short or count == COUNTS[-1] else 3
            )
        table.append(f"| {count:,} | {' | '.join(f'{middle(times, way):.2f} s' for way in WAYS)} |")
        for way in WAYS:
            result.add(way, count, middle(times, way))
    return result
