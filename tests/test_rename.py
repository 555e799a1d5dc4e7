"""The template under another name: nothing of the old one is left, and it composes, trains and names runs as before."""

import doctest
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import overparam as op
from overparam.runs.identity import identity
from tests.conftest import ROOT, read_json

# This file is renamed like any other: the old name is what the lab is called where the tests run.
OLD, NEW, CLASSES = (
    tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"],
    "another_lab",
    "AnotherLab",
)
IN_GIT = subprocess.run(["git", "-C", ROOT, "rev-parse"], capture_output=True).returncode == 0
pytestmark = pytest.mark.skipif(not IN_GIT, reason="not a git checkout")

RUNS = (
    ["experiment=model_wise", "model.width=24", "seed=3"],
    ["model=resnet18", "data=cifar10", "optimizer=sgd", "scheduler=inverse_sqrt", "measures=[norms,hessian]"],
    ["model=random_features", "data=teacher_regression", "loss=mse"],
)


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", folder, "-c", "user.name=Test", "-c", "user.email=test@example.com", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def copied(tmp_path_factory) -> Path:
    """This working tree, committed in a repository of its own."""
    folder = tmp_path_factory.mktemp("template")
    for name in git(ROOT, "ls-files", "-co", "--exclude-standard", "-z").split("\0"):
        if name and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "The template")
    return folder


def rename(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, folder / "scripts" / "rename_template.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("my-lab", "cannot be a package's name"),
        ("BigLab", "cannot be a package's name"),
        ("2labs", "cannot be a package's name"),
        ("class", "cannot be a package's name"),
        ("torch", "a module or a folder"),
        ("json", "a module or a folder"),
        ("configs", "a module or a folder"),
        (OLD, "already"),
    ],
)
def test_bad_names_are_refused_in_one_line(copied, name, reason):
    refused = rename(copied, name)
    assert refused.returncode == 2
    assert re.fullmatch(rf"error: .*{reason}.*\n", refused.stderr)
    assert git(copied, "status", "--porcelain") == ""


def test_changes_that_are_not_committed_are_refused_in_one_line(copied):
    added = copied / "notes.txt"
    added.write_text("")
    refused = rename(copied, NEW)
    added.unlink()
    assert refused.returncode == 2
    assert re.fullmatch(r"error: there are changes that are not committed.*--force\n", refused.stderr)
    assert git(copied, "status", "--porcelain") == ""


@pytest.fixture(scope="module")
def renamed(copied, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("renamed") / "template"
    shutil.copytree(copied, folder)
    done = rename(folder, NEW)
    assert done.returncode == 0, done.stderr
    assert f"{OLD} is {NEW} now" in done.stdout
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in git(folder, "ls-files", "-z").split("\0") if name}


def test_nothing_of_the_old_name_is_left_but_the_licence(renamed):
    spellings = "|".join((OLD, OLD.upper(), OLD.title().replace("_", "")))
    old = re.compile(rf"(?<![A-Za-z])({spellings})(?![a-z])")
    assert [name for name in files(renamed) if old.search(name)] == []
    left = [name for name, content in files(renamed).items() if old.search(content.decode("latin1"))]
    assert set(left) <= {"LICENSE"}  # a notice that must stay


def test_other_words_and_all_else_stay(renamed):
    before = {name: git(renamed, "show", f"HEAD:{name}") for name in ("README.md", "CLAIMS.md")}
    for name, text in before.items():
        now = (renamed / name).read_text()
        assert now.replace(NEW, OLD) == text.replace(NEW, OLD)
        assert now.count("overparameterized") == text.count("overparameterized")
    plugins = (renamed / "src" / "hydra_plugins" / f"{NEW}_sweeper.py").read_text()
    assert f"class {CLASSES}Sweeper" in plugins
    assert f"{NEW.upper()}_COMMAND" in (renamed / "src" / NEW / "runs" / "provenance.py").read_text()
    assert f"or {NEW}\n" in (renamed / "configs" / "logger" / "wandb.yaml").read_text()
    images = [name for name in files(renamed) if name.endswith(".png")]
    assert images
    assert git(renamed, "diff", "HEAD", "--stat", "--", "LICENSE", *images) == ""


def test_git_follows_every_file(renamed):
    status = git(renamed, "status", "--porcelain").splitlines()
    assert {line[0] for line in status} <= {"R", " "}
    assert not any(line.startswith("??") for line in status)


def test_it_composes_trains_and_names_runs_as_before(renamed, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(renamed / "src")}
    code = f"import {NEW} as op; from {NEW}.runs.identity import identity\n" + "\n".join(
        f"print(identity(op.compose({overrides})))" for overrides in RUNS
    )
    command = [sys.executable, "-c", code]
    named = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert named.returncode == 0, named.stderr
    assert named.stdout.split() == [identity(op.compose(overrides)) for overrides in RUNS]
    small = ("data.n_train=60", "trainer.max_steps=2", "trainer.accelerator=cpu", "logger=local")
    command = [sys.executable, renamed / "scripts" / "train.py", "-m", "seed=0,1", *small]
    trained = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert trained.returncode == 0, trained.stderr
    summaries = [read_json(path) for path in tmp_path.glob("logs/runs/*/summary.json")]
    assert [summary["steps"] for summary in summaries] == [2, 2]


def test_a_second_time_it_is_called_that_already(renamed):
    refused = rename(renamed, NEW, "--force")
    assert (refused.returncode, refused.stderr) == (2, f"error: the package is called {NEW} already\n")


def test_the_examples_of_the_docstrings(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import rename_template

    assert doctest.testmod(rename_template).attempted
    assert doctest.testmod(rename_template).failed == 0
