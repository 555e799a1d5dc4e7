"""Sweeps over choices that bring grids of their own."""

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from overparam.errors import ConfigError
from overparam.sweeps.choices import sweep_points
from overparam.sweeps.grid import Composer, expand, grid_points
from tests.command_line import command_line
from tests.conftest import CONFIGS
from tests.sweeps.conftest import results

TWO = "experiment=width_against_depth,sparsity"


def directories(composer: Composer, *arguments: str) -> set[Path]:
    points = sweep_points(composer.loader, composer.master, {}, arguments)
    return {run.directory for run in expand(composer.loader, composer.master, points)}


def alone(name: str, *arguments: str) -> set[Path]:
    """The runs of an experiment that is chosen as the only one, as Hydra's own way has it."""
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        master = compose("train", [f"experiment={name}"], return_hydra_config=True)
        loader = GlobalHydra.instance().config_loader()
        grid = [f"{key}={value}" for key, value in master.hydra.sweeper.params.items()]
        points = grid_points(loader, [*grid, f"experiment={name}", *arguments])
        return {run.directory for run in expand(loader, master, points)}


@pytest.fixture
def expected() -> set[Path]:
    return alone("width_against_depth", "data.label_noise=0.3") | alone("sparsity", "data.label_noise=0.3")


def test_each_experiment_has_its_own_grid_and_folder(expected: set[Path], composer: Composer) -> None:
    found = directories(composer, TWO, "data.label_noise=0.3")
    assert found == expected
    assert {path.parent.name for path in found} == {"width_against_depth", "sparsity"}
    assert directories(composer, "data.label_noise=0.3", TWO) == expected


def test_the_command_line_has_the_last_word(composer: Composer) -> None:
    found = directories(composer, TWO, "seed=7", "name=both", "optimizer=sgd,adam", "model.width=2,3")
    assert {path.parent.name for path in found} == {"both"}
    assert {part for path in found for part in path.name.split("-") if part[0] in "sw"} >= {"s7", "w2", "w3"}
    assert not any("-s0-" in path.name for path in found)


def test_choices_without_a_grid_are_what_they_were(composer: Composer) -> None:
    arguments = ["model=mlp,cnn5", "seed=0,1", "debug=fast"]
    points = sweep_points(composer.loader, composer.master, {"seed": "5,6"}, arguments)
    assert points == grid_points(composer.loader, ["seed=5,6", *arguments])


def test_a_grid_is_values_by_key(composer: Composer) -> None:
    def points(params: Any) -> list[list[str]]:
        return sweep_points(composer.loader, composer.master, params, [])

    assert points({"data.n_train": None}) == [["data.n_train=null"]]
    for wrong in ([1], "seed=0,1", OmegaConf.create(["a"])):
        with pytest.raises(ConfigError, match=r"^hydra.sweeper.params must be the grid, values by key, got "):
            points(wrong)


@pytest.mark.parametrize(
    "argument",
    ["pack=off,all", "retrain=true,false", "logger=local,csv", "checkpoint_seconds=60,30", "data.root=a,b"],
)
def test_values_that_would_be_one_run_are_refused(composer: Composer, argument: str) -> None:
    with pytest.raises(ConfigError, match=r"a run's result does not depend on it: give one value$"):
        sweep_points(composer.loader, composer.master, {}, ["seed=0,1", argument])
    key, _, values = argument.partition("=")
    one = f"{key}={values.partition(',')[0]}"
    for fine in (one, f"{one},{one.partition('=')[2]}", "name=a,b", "paths.logs=a,b"):
        assert len(sweep_points(composer.loader, composer.master, {}, ["seed=0,1", fine])) in (2, 4)


def test_a_sweep_is_given_no_members(composer: Composer) -> None:
    with pytest.raises(ConfigError, match="members is set by sweeps only: leave it out"):
        composer.run(["+members=x"])


def test_a_choice_with_another_sweeper_or_launcher_is_refused(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    header = "# @package _global_\nhydra:\n"
    (tmp_path / "experiment" / "greedy.yaml").write_text(f"{header}  sweeper:\n    max_attempts: 9\n")
    (tmp_path / "experiment" / "named.yaml").write_text(f"{header}  sweeper:\n    params:\n      seed: 3\n")
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        found = [f"hydra.searchpath=[file://{tmp_path}]"]
        master = compose("train", found, return_hydra_config=True)
        loader = GlobalHydra.instance().config_loader()
        with pytest.raises(ConfigError, match=r"experiment=greedy sets hydra\.sweeper"):
            sweep_points(loader, master, {}, ["experiment=named,greedy"])


def test_the_command_line_trains_both_and_reports_on_both(tmp_path: Path) -> None:
    small = ("data.n_train=60", "trainer.max_steps=2", "trainer.accelerator=cpu", "logger=local")
    few = ("model.width=2", "model.target_params=null", "model.depth=1")
    done = command_line("train.py", "-m", TWO, *small, *few, f"paths.logs={tmp_path}")
    assert done.returncode == 0, done.stderr
    for name in ("width_against_depth", "sparsity"):
        assert len(results(tmp_path / name)) == 5  # the seeds of its grid
        assert (tmp_path / name / "report" / "index.html").exists()
    assert not list(tmp_path.glob("runs/*"))
