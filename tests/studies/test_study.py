import inspect
import json
import shutil
from unittest import mock

import pytest
from hydra.utils import get_method
from matplotlib.figure import Figure
from omegaconf import OmegaConf

from overparam.errors import ConfigError
from overparam.runs.identity import run_directory
from overparam.studies.ensembles import ensembles
from overparam.studies.study import VARIED, study
from tests.command_line import command_line
from tests.conftest import ROOT


def test_runs_are_grouped_by_all_but_the_seed_and_studied_once(mlps):
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


def test_groups_of_every_kind(mlps):
    folder = run_directory(mlps[0].cfg).parent
    sizes = {}
    for group in ("run", "seed", "steps", "samples"):
        table = study(folder, f"count_{group}", lambda runs: [{"size": len(runs)}], group, {})
        sizes[group] = table["size"].to_list()
    assert sizes == {"run": [1, 1], "seed": [2], "steps": [1, 1], "samples": [2]}


def test_equal_values_are_one_setting_whatever_files_they_came_from(mlps, tmp_path):
    folder = tmp_path / "copied"
    for run, choice in zip(mlps[:2], ("mlp", "another_name"), strict=True):
        copied = shutil.copytree(run_directory(run.cfg), folder / run_directory(run.cfg).name)
        summary = json.loads((copied / "summary.json").read_text())
        (copied / "summary.json").write_text(
            json.dumps(summary | {"choices": {"model": choice, "logger": choice}})
        )
    table = study(folder, "count", lambda runs: [{"size": len(runs)}], "seed", {})
    assert table["size"].to_list() == [2]


def test_a_figure_is_drawn_from_the_rows_with_what_was_swept(mlps):
    folder = run_directory(mlps[0].cfg).parent
    drawn = []

    def draw(table, title, **knobs):
        drawn.append((title, knobs))
        return Figure()

    with mock.patch("overparam.studies.study.get_method", return_value=draw):
        figure = {"_target_": "draw", "x": "size", "series": ["kind"]}
        study(folder, "drawn", lambda runs: [{"size": 1, "kind": "a"}], "run", {"figure": figure})
    assert drawn == [(f"drawn, {folder.name}", {"x": "size", "series": ["kind"]})]
    assert (folder / "studies" / "drawn.png").exists()
    assert figure["series"] == ["kind"]


def test_every_study_is_one_function_whose_knobs_its_file_names():
    for path in (ROOT / "configs" / "study").glob("*.yaml"):
        config = OmegaConf.to_container(OmegaConf.load(path))
        function, group, figure = (config.pop(key, None) for key in ("_target_", "group", "figure"))
        assert group in VARIED
        knobs = list(inspect.signature(get_method(function)).parameters.values())[1:]
        assert config == {knob.name: approximately(knob.default) for knob in knobs}, path.name
        if figure:
            get_method(figure.pop("_target_"))


def approximately(value):
    return list(value) if isinstance(value, tuple) else value


def test_a_group_of_one_run_is_no_ensemble(mlps):
    with pytest.raises(ConfigError, match="2 runs or more"):
        ensembles(mlps[:1])


def test_the_command_prints_a_table_and_says_what_is_missing(mlps):
    folder = run_directory(mlps[0].cfg).parent

    def analyze(*arguments):
        return command_line("analyze.py", *arguments)

    done = analyze("study=landscape", "study.points=3", f"runs={folder}")
    assert done.returncode == 0, done.stderr
    assert f"{folder}/studies/landscape.png" in done.stdout
    assert (folder / "studies" / "landscape.png").exists()
    failed = analyze("study=effective_model_complexity", f"runs={folder}")
    assert failed.returncode == 2
    assert failed.stderr.startswith(
        "error: effective model complexity needs runs that differ in data.n_train"
    )


def test_a_folder_without_finished_runs_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("seed: 0")
    with pytest.raises(ConfigError, match=r"no run in .* is finished"):
        study(tmp_path, "count", lambda runs: [], "run", {})
