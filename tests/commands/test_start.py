"""Commands, started from elsewhere with code and configs of one's own; and what the shell completes."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from overparam.commands.start import _overrides_last, start_hydra
from tests.command_line import command_line
from tests.conftest import ROOT, read_json
from tests.lab import write_lab


def test_a_config_that_would_never_be_read_is_refused_in_one_line(tmp_path):
    (tmp_path / "train.yaml").write_text("seed: 1\n")
    done = command_line("train.py", "-cd", str(tmp_path), "--cfg", "job")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def start(folder: Path, *arguments: str) -> list[int]:
    """Start train.py in a folder; return the parameter counts of the runs that it left there."""
    done = command_line("train.py", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return sorted(read_json(path)["params"] for path in folder.glob("logs/*/*/summary.json"))


def test_a_labs_sweep_trains_in_workers_from_any_working_directory(tmp_path):
    lab, here = write_lab(tmp_path / "lab"), tmp_path / "here"
    here.mkdir()
    sweep = ("--config-dir", str(lab / "configs"), "-m", "experiment=mine", "hydra/launcher=local")
    assert start(here, *sweep, "hydra.launcher.cpu_slots=1") == [65 * 2 + 3 * 10, 65 * 3 + 4 * 10]


@pytest.mark.engines
@pytest.mark.skipif(find_spec("ray") is None, reason="not installed: ray")
def test_workers_of_ray_find_it_too(tmp_path):
    lab, here = write_lab(tmp_path / "lab"), tmp_path / "here"
    here.mkdir()
    sweep = ("--config-dir", str(lab / "configs"), "-m", "experiment=mine", "hydra/launcher=ray_cluster")
    assert start(here, *sweep) == [65 * 2 + 3 * 10, 65 * 3 + 4 * 10]


def test_a_network_beside_where_the_command_is_started_needs_no_configs(tmp_path):
    write_lab(tmp_path)
    knobs = ("model=linear", "model._target_=mine.Net", "~model.bias", "~model.init", "+model.width=5")
    assert start(tmp_path, *knobs, "data.n_train=60", "trainer.max_steps=1", "logger=local") == [
        65 * 5 + 6 * 10
    ]


COMPLETE = """
eval "$({command} -sc install=bash)"
COMP_LINE='{command} data=dig' COMP_CWORD={words} && hydra_bash_completion
echo "${{COMPREPLY[@]}}"
"""


def completed(command: str, folder: Path) -> str:
    """What bash makes of `<command> data=dig<tab>`, with the commands of `folder` on its path."""
    text = COMPLETE.format(command=command, words=len(command.split()))
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    run = subprocess.run(["bash", "-c", text], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.mark.parametrize("script", ["train", "plan"])
def test_the_shell_completes(script):
    assert completed(f"python scripts/{script}.py", Path(sys.executable).parent) == "data=digits"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-m", "--cfg", "job"], "--multirun and --cfg exclude each other"),
        (["-m", "--cfg", "job", "--resolve"], "--multirun and --cfg exclude each other"),
        (["-m", "--info", "config"], "--multirun and --info exclude each other"),
        (["--run", "--multirun"], "--multirun and --run exclude each other"),
        (["--resolve"], "--resolve goes with --cfg"),
    ],
)
def test_what_hydra_does_not_do_at_once_is_refused_in_one_line(arguments, says, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
    assert start_hydra(lambda: pytest.fail("it started")) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {says}")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [["-m", "--help"], ["--help", "--resolve"], ["--cfg", "job", "--resolve"], ["--info", "searchpath"]],
)
def test_what_hydra_tells_is_told(arguments):
    done = command_line("train.py", *arguments)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 5
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("a=1 --config-dir c=d b=2 ~x", "--config-dir c=d a=1 b=2 ~x"),
        ("a=1 -m +b=2 --info config", "-m --info config a=1 +b=2"),
        ("a=1 b=2 -m --config-dir c", "a=1 b=2 -m --config-dir c"),
        ("-m a=1 b=2", "-m a=1 b=2"),
        ("--cfg job", "--cfg job"),
    ],
)
def test_overrides_may_stand_around_options(given, taken):
    assert _overrides_last(given.split()) == taken.split()


def test_they_do_on_a_command_line(tmp_path):
    done = command_line("train.py", "seed=1", "--config-dir", str(tmp_path), "seed=2", "--cfg", "job")
    assert done.returncode == 0, done.stderr
    assert "seed: 2" in done.stdout.splitlines()
