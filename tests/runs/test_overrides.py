"""A mistyped override is answered in one line, with a guess at what was meant."""

from pathlib import Path

import pytest

import overparam as op
from overparam.claims.trained import Setup, train_sweeps
from overparam.errors import ConfigError
from tests.command_line import command_line

TYPOS = [
    ("model.widht=3", "model.widht: .*; did you mean width"),
    ("data.n_tain=5", "data.n_tain: .*; did you mean n_train"),
    ("traner.max_steps=3", "traner.max_steps: .*; did you mean trainer"),
    ("optimzer=sgd", "optimzer: .*; did you mean optimizer"),
    ("experimnt=model_wise", "experimnt: .*; did you mean experiment"),
    ("width=3", "width: .*; did you mean model.width"),
    ("batch_size=3", "did you mean data.batch_size or evaluation.batch_size"),
    ("data={n_tain: 5}", "data.n_tain: .*; did you mean n_train"),
    ("model=mpl", "there is no model=mpl; did you mean mlp"),
    ("+optimizer=sdg", "there is no optimizer=sdg; did you mean sgd"),
    ("callbacks=[emma]", "there is no callbacks=emma; did you mean ema"),
    ("experiment=papr/zhang_random_labels", "did you mean paper/zhang_random_labels"),
    ("hydra/launcher=locl", "there is no hydra/launcher=locl; did you mean local"),
    ("hydra/lancher=local", "did you mean hydra/launcher"),
    ("model=nothing_like_it", "there is no model=nothing_like_it; there are cnn3, "),
    ("xyzzy=3", r"xyzzy: the config has no such key \(\+xyzzy=3 adds a new one\)$"),
    # Of a lab's own configs.
    ("augmentation=strong", r"augmentation: .*choose from it with \+augmentation=strong"),
    ("+augmentation=strng", "there is no augmentation=strng; did you mean strong"),
    ("experiment=mine", "In 'experiment/mine': optimzer: .*; did you mean optimizer"),
]


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    """A lab's own configs: a group, and an experiment with a mistake in it."""
    for name, text in {
        "augmentation/strong.yaml": "std: 1.0\n",
        "experiment/mine.yaml": "# @package _global_\ndefaults:\n  - override /optimzer: sgd\n",
        "experiment/swept.yaml": "# @package _global_\nhydra:\n  sweeper:\n    params:\n      model.widht: 3,4\n",
    }.items():
        path = tmp_path / "configs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "configs"


@pytest.mark.parametrize(("override", "says"), TYPOS)
def test_from_python(configs: Path, override: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as error:
        op.compose([override], configs)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "line",
    [
        ["train.py", "model.widht=3"],
        ["train.py", "-m", "model.widht=3,4"],
        ["train.py", "-m", "experiment=swept"],
        ["train.py", "-m", "hydra/launcher=local", "model=mpl,mlp"],
        ["plan.py", "-m", "model.widht=3,4"],
        ["analyze.py", "runs=x", "study=landscape", "study.poits=3"],
    ],
)
def test_from_the_command_line(configs: Path, line: list[str]) -> None:
    script, *arguments = line
    done = command_line(script, "--config-dir", str(configs), *arguments)
    assert done.returncode == 2
    (said,) = done.stderr.splitlines()
    assert said.startswith("error: ")
    assert "; did you mean " in said
    assert done.stdout == ""


def test_nothing_of_a_group() -> None:
    for line in (["callbacks=null"], ["-m", "callbacks=null"], ["--cfg", "job", "callbacks=null"]):
        done = command_line("train.py", *line)
        assert done.returncode == 2
        (said,) = done.stderr.splitlines()
        assert said.startswith("error: ")
        assert "~" in said


def test_in_a_claim(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.widht: .*; did you mean width"):
        train_sweeps(Setup(tmp_path, (0,)), "model_wise", [["model.widht=3"]])
