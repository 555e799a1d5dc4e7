"""sweep=threshold: the interpolation threshold by bisection over ordinary runs, where it is known exactly too."""

import math
import re
import runpy
import sys

import pytest
import torch

from overparam.data.linear import LinearRegression
from overparam.errors import ConfigError
from overparam.sweeps.threshold import Search, bisect
from tests.conftest import ROOT, read_json

WIDTH = Search("model.width", 0.1, None, 0.0)


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """Run a script in this process; return exit code, output and the summaries that there are afterwards."""

    def run(script, *arguments):
        fixed = ["logger=local", "trainer.accelerator=cpu", f"paths.logs={tmp_path}", "name=found"]
        monkeypatch.setattr(sys, "argv", [script, "-m", "sweep=threshold", *fixed, *arguments])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(ROOT / "scripts" / script), run_name="__main__")
        said = capsys.readouterr()
        return (
            end.value.code,
            said.out + said.err,
            [read_json(p) for p in tmp_path.glob("found/*/summary.json")],
        )

    return run


@pytest.mark.parametrize("threshold", [1, 2, 7, 64, 65, 1000])
@pytest.mark.parametrize("start", [1, 2, 64, 5000])
def test_neighbours_of_a_step_are_found_from_everywhere(threshold, start):
    asked = []

    def error(width):
        asked.append(width)
        return 0.1 if width >= threshold else 0.5

    if threshold == 1:
        with pytest.raises(ConfigError, match=r"at most 0\.1 from model\.width="):
            bisect(WIDTH, start, 2**20, error)
        return
    found = bisect(WIDTH, start, 2**20, error)
    assert (found.unfitted, found.fitted) == (threshold - 1, threshold)
    assert (
        len(asked)
        == len(set(asked))
        <= 3 + 2 * abs(math.log2(threshold) - math.log2(start)) + math.log2(threshold)
    )
    assert {threshold - 1, threshold} <= set(found.grid)
    assert found.grid == sorted(set(found.grid))
    assert found.grid[-1] > 8 * threshold


def test_more_samples_are_harder_and_there_are_no_more_than_there_are():
    search = Search("data.n_train", 0.1, None, 0.0)
    found = bisect(search, 100, 100, lambda n: n / 500)
    assert (found.fitted, found.unfitted) == (50, 51)
    assert found.grid[-1] == 100
    with pytest.raises(ConfigError, match=r"at most 0\.1 from data\.n_train=10 to 30, the largest there is"):
        bisect(search, 10, 30, lambda n: n / 500)


def test_precision_ends_the_search_early():
    loose = bisect(Search("model.width", 0.1, None, 0.1), 1, 2**20, lambda width: 100 / width)
    assert loose.unfitted < 1000 <= loose.fitted <= 1.1 * loose.unfitted
    exact = bisect(WIDTH, 1, 2**20, lambda width: 100 / width)
    assert len(loose.errors) < len(exact.errors)


LINEAR = (
    *("data=linear", "model=linear", "model.bias=false", "data.label_noise=1", "data.pool_size=20"),
    *("data.test_size=10", "optimizer=sgd", "optimizer.lr=0.05", "trainer.max_steps=2000"),
    *("trainer.precision=64-true", "evaluation.per_decade=1", "hydra.sweeper.threshold.level=0.001"),
    "hydra.sweeper.threshold.precision=0",
)


def least_squares_error(n, dim, seed=0):
    data = LinearRegression(input_dim=dim, pool_size=20, test_size=10, n_train=n, label_noise=1.0, seed=seed)
    data.setup()
    x, y = data.train.x, data.train.y
    return (x @ torch.linalg.pinv(x) @ y - y).square().mean().item()


def test_a_linear_readout_interpolates_n_samples_with_n_inputs(command):
    along = ("hydra.sweeper.threshold.along=data.input_dim", "hydra.sweeper.threshold.start=5")
    code, output, runs = command("train.py", *LINEAR, *along, "data.n_train=8")
    assert code == 0, output
    assert least_squares_error(8, 7) > 0.001
    assert "crosses 0.001 between data.input_dim=7 and 8" in output
    errors = {run["config"]["data.input_dim"]: run["train_error"] for run in runs}
    assert errors.keys() == {5, 7, 8, 10}
    assert errors[5] == pytest.approx(least_squares_error(8, 5), rel=1e-3)


def test_as_many_samples_as_inputs_can_be_interpolated(command):
    code, output, _ = command(
        "train.py",
        *LINEAR,
        "hydra.sweeper.threshold.along=data.n_train",
        "data.input_dim=8",
        "data.n_train=4",
    )
    assert code == 0, output
    assert least_squares_error(9, 8) > 0.001
    assert "crosses 0.001 between data.n_train=8 and 9" in output


def test_the_steps_that_one_direction_takes(command):
    """With one sample of one input the error falls as (1 - 2 lr x^2)^2t."""
    data = LinearRegression(input_dim=1, pool_size=1, test_size=10, seed=0)
    data.setup()
    x, y = data.train.x.item(), data.train.y.item()
    expected = math.ceil(math.log(1e-4 / y**2) / (2 * math.log(abs(1 - 2 * 0.05 * x**2))))
    one = [text for text in LINEAR if "pool_size" not in text and "noise" not in text]
    one += [
        "data.input_dim=1",
        "data.n_train=1",
        "data.pool_size=1",
        "data.label_noise=0",
        "data.signal_norm=1",
        "optimizer.momentum=0",
    ]
    one += ["hydra.sweeper.threshold.along=trainer.max_steps", "hydra.sweeper.threshold.level=1e-4"]
    code, output, _ = command("train.py", *one, "trainer.max_steps=50")
    assert code == 0, output
    assert f"between trainer.max_steps={expected - 1} and {expected}" in output


SMALL = ("data.n_train=60", "data.label_noise=0.2", "trainer.max_steps=60", "model.width=2", "seed=0,1")


def test_a_plan_of_the_grid_around_the_threshold_takes_the_runs_as_they_stand(command, tmp_path):
    code, output, runs = command("train.py", *SMALL)
    assert code == 0, output
    widths = {run["config"]["model.width"] for run in runs}
    assert {(run["config"]["model.width"], run["config"]["seed"]) for run in runs} == {
        (width, seed) for width in widths for seed in (0, 1)
    }
    grid = output.split("a grid around it: ")[1].split()[0]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("found/*/summary.json")}
    code, output, again = command("plan.py", *SMALL, f"plan.json={tmp_path / 'rows.json'}")
    assert code == 0, output
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("found/*/summary.json")} == before
    assert grid in output
    rows = read_json(tmp_path / "rows.json")
    assert {text for row in rows for text in row["overrides"] if text.startswith("model.width=")} == {
        f"model.width={width}" for width in grid.removeprefix("model.width=").split(",")
    }
    assert {run["identity"] for run in again} & {row["identity"] for row in rows}
    assert "interpolation threshold" in output


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["hydra.sweeper.threshold.along=model.wide"], r"Could not override 'model\.wide'|must name a key"),
        (
            ["hydra.sweeper.threshold.along=optimizer.lr"],
            "must name a key whose value is a positive integer, got 0.01",
        ),
        (["hydra.sweeper.threshold.along=seed"], "a seed has no threshold"),
        (
            ["hydra.sweeper.threshold.level=-1"],
            r"hydra\.sweeper\.threshold\.level must be greater than or equal to 0",
        ),
        (["hydra.sweeper.threshold.start=0"], r"hydra\.sweeper\.threshold\.start must be greater than 0"),
        (["data.label_noise=0,0.2"], "data.label_noise has several values: fix it, seeds may vary"),
        (["hydra.sweeper.threshold.levl=1"], "levl"),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_trained(command, overrides, message, tmp_path):
    code, output, runs = command("train.py", "data.n_train=20", "trainer.max_steps=2", *overrides)
    assert (code, runs) == (2, [])
    assert re.search(message, output)
    assert output.startswith("error: ")
    assert len(output.strip().splitlines()) == 1
