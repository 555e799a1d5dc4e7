import subprocess
import sys

import pytest

from overparam.studies.ensembles import ensembles
from overparam.studies.study import study
from tests.conftest import ROOT


def test_runs_are_grouped_by_all_but_the_seed_and_studied_once(mlps):
    from overparam.train import run_directory

    folder = run_directory(mlps[0].cfg).parent
    calls = []

    def count(runs, factor):
        calls.append([run.cfg.seed for run in runs])
        return [{"members": factor * len(runs)}]

    table = study(folder, "count", count, "seed", {"factor": 3})
    assert calls == [[0, 1]]
    assert table["members"].to_list() == [6]
    assert table["model.width"].to_list() == [12]
    study(folder, "count", count, "seed", {"factor": 3})
    assert len(calls) == 1  # kept
    study(folder, "count", count, "seed", {"factor": 4})
    assert len(calls) == 2  # other knobs
    alone = study(folder, "alone", count, "run", {"factor": 1})
    assert calls[2:] == [[0], [1]]
    assert sorted(alone["seed"]) == [0, 1]


def test_a_group_of_one_run_is_no_ensemble(mlps):
    with pytest.raises(ValueError, match="two runs or more"):
        ensembles(mlps[:1])


def test_the_command_prints_a_table_and_says_what_is_missing(mlps):
    from overparam.train import run_directory

    folder = run_directory(mlps[0].cfg).parent

    def analyze(*arguments):
        command = [sys.executable, str(ROOT / "scripts/analyze.py"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = analyze("study=ensembles", f"runs={folder}")
    assert done.returncode == 0, done.stderr
    assert "error_ensemble" in done.stdout
    assert (folder / "studies" / "ensembles.csv").exists()
    (folder.parent / "empty").mkdir()
    failed = analyze(f"runs={folder.parent / 'empty'}")
    assert failed.returncode == 2
    assert "no run in" in failed.stderr
