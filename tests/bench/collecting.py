"""(e) What finished runs cost: recognizing them when a command is given again, and making one table of them."""

import shutil
import tempfile
import time
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from overparam.analysis.collect import collect
from overparam.analysis.stamps import REPORT
from overparam.runs.state import State, state
from overparam.runs.summary import SUMMARY, write_json
from overparam.sweeps.grid import expand
from overparam.training.run import train
from tests.bench.pairs import Result, middle, paired
from tests.conftest import CONFIGS, compose_config

WAYS = ("resume scan", "collect, cold", "collect, warm")
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
        for directory, (width, seed) in zip(self.directories(), places, strict=True):
            directory.mkdir(parents=True)
            for file in ("config.yaml", "metrics.csv", "provenance.json"):
                shutil.copyfile(pattern / file, directory / file)
            config = {**summary["config"], "model.width": width, "seed": seed}
            mine = {"identity": directory.name, "name": self.sweep.name, "config": config}
            write_json(directory / SUMMARY, {**summary, **mine})

    def directories(self) -> list[Path]:
        """Compose and name every run of the grid, as a sweep does first."""
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            master = compose("train", return_hydra_config=True)
            return [
                run.directory for run in expand(GlobalHydra.instance().config_loader(), master, self.grid)
            ]

    def seconds(self, way: str) -> float:
        """Return the seconds of one of `WAYS`."""
        if way == "collect, cold":
            shutil.rmtree(self.sweep / REPORT, ignore_errors=True)
        started = time.perf_counter()
        if way == "resume scan":
            done = sum(state(directory) == State.FINISHED for directory in self.directories())
        else:
            done = len(collect(self.sweep))
        assert done == len(self.grid)
        return time.perf_counter() - started


def run(short: bool) -> Result:
    """Time every way on sweeps of growing size."""
    table = [f"| finished runs | {' | '.join(WAYS)} |", "|---|" + "---|" * len(WAYS)]
    result = Result(table, "Finished runs", "runs")
    for count in COUNTS[: 1 if short else None]:
        with tempfile.TemporaryDirectory() as folder:
            times = paired(WAYS, Finished(count, Path(folder)).seconds, 1 if short else 3)
        table.append(f"| {count:,} | {' | '.join(f'{middle(times, way):.2f} s' for way in WAYS)} |")
        for way in WAYS:
            result.add(way, count, middle(times, way))
    return result
