import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from overparam.runs.state import CHECKPOINT, record_failure
from overparam.runs.summary import SUMMARY
from overparam.sweeps import sweep as sweep_module
from overparam.sweeps.sweep import Lost, SweepFailed
from tests.sweeps.conftest import CRASHING, Sweep, results

REASONS = {
    "raise": "ValueError: a bug in the network",
    "diverge": "Diverged: training loss is nan at step 1",
    "sys_exit": "it ended itself, sys.exit(4)",
    "os_exit": "its process ended with exit code 3",
    "segfault": "its process was killed by SIGSEGV (segmentation fault)",
    "out_of_memory": "its process was killed by SIGKILL (out of memory?)",
}


def failures(folder: Path) -> dict[str, tuple[str, int]]:
    found = {}
    for path in folder.glob("*/failure.json"):
        record = json.loads(path.read_text())
        how = next(
            line for line in (path.parent / "config.yaml").read_text().splitlines() if " how: " in line
        )
        found[how.split()[1]] = record["reason"], record["attempts"]
        assert not (path.parent / SUMMARY).exists()
    return found


def test_every_way_to_fail_costs_one_run(sweep: Callable[..., Sweep], tmp_path: Path) -> None:
    ways = ",".join([*REASONS, "none"])
    knobs = ("hydra/launcher=local", "hydra.launcher.cpu_slots=1")
    crashing = sweep("name=bad", CRASHING, f"+model.how={ways}", *knobs)
    code, output = crashing.run()
    assert code == 2
    assert failures(tmp_path / "bad") == {how: (reason, 1) for how, reason in REASONS.items()}
    (done,) = results(tmp_path / "bad")
    provenance = json.loads((tmp_path / "bad" / done / "provenance.json").read_text())
    assert provenance["command"][:2] == ["train.py", "-m"]  # what was typed, not what a worker was told
    for reason in REASONS.values():
        assert reason in output
    assert "6 of 7 runs failed" in output.splitlines()[-1]


def test_in_this_process_an_exception_costs_one_run_and_is_tried_again(
    sweep: Callable[..., Sweep], tmp_path: Path
) -> None:
    failing = sweep(
        "name=bad", CRASHING, "+model.how=raise,diverge,sys_exit,none", "hydra.sweeper.max_attempts=2"
    )
    for attempt, said in ((1, "0 finished, 4 to train"), (2, "1 finished, 3 to train")):
        code, output = failing.run()
        assert code == 2
        assert said in output
        recorded = failures(tmp_path / "bad")
        assert recorded == {how: (REASONS[how], attempt) for how in ("raise", "diverge", "sys_exit")}
        assert len(results(tmp_path / "bad")) == 1
    code, output = failing.run()
    assert code == 2
    assert "1 finished, 0 to train, 3 given up" in output


@pytest.mark.parametrize("launcher", ["basic", "local"])
def test_fail_fast_ends_at_the_first_failure(
    sweep: Callable[..., Sweep], tmp_path: Path, launcher: str
) -> None:
    grid = ("+model.how=raise", "seed=0,1,2,3,4,5", f"hydra/launcher={launcher}")
    one_by_one = ("hydra.launcher.cpu_slots=1",) if launcher == "local" else ()
    hasty = sweep("name=bad", CRASHING, *grid, *one_by_one, "hydra.sweeper.fail_fast=true")
    code, output = hasty.run()
    assert code == 2
    assert len(list(tmp_path.glob("bad/*/failure.json"))) == 1
    assert "error: 1 of 6 runs failed" in output.splitlines()[-1]


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_launcher_that_gives_up_again_and_again_is_used_while_runs_go_on(
    tmp_path: Path, goes_on: bool
) -> None:
    run = SimpleNamespace(directory=tmp_path / "run")
    run.directory.mkdir()
    launches = 0

    def launch(batch: Sequence[Any]) -> dict[Path, Lost]:
        nonlocal launches
        launches += 1
        if goes_on:
            (run.directory / CHECKPOINT).touch()
            os.utime(run.directory / CHECKPOINT, ns=(launches, launches))
        if launches == 7:
            record_failure(run.directory, "it failed in the end")
        return {run.directory: Lost(RuntimeError("a job was cancelled"))}

    if goes_on:
        assert list(sweep_module._train([run], launch)[1]) == [run.directory]
        assert launches == 7
    else:
        with pytest.raises(SweepFailed, match="1 run cannot be finished: RuntimeError: a job was cancelled"):
            sweep_module._train([run], launch)
        assert launches == 3
