"""What a person brings to a command: the working directory, configs elsewhere, a `.env`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from overparam.commands.start import use_callers_files
from overparam.errors import ConfigError
from tests.conftest import CONFIGS, ROOT, command_line, read_json
from tests.lab import write_lab


@pytest.fixture
def caller(tmp_path, monkeypatch):
    """A working directory, and a lab's configs in another."""
    (tmp_path / "here").mkdir()
    (tmp_path / "lab" / "configs").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("FIRST", "SECOND", "THIRD"):
        monkeypatch.setenv(name, "as it was")
    monkeypatch.delenv("FIRST")
    monkeypatch.delenv("SECOND")
    return tmp_path


def test_the_environment_wins_over_the_working_directory_and_that_over_the_configs(caller):
    (caller / "here" / ".env").write_text("FIRST=here\nTHIRD=here\n")
    (caller / "lab" / ".env").write_text("FIRST=lab\nSECOND=lab\n")
    use_callers_files("../lab/configs")
    assert [os.environ[name] for name in ("FIRST", "SECOND", "THIRD")] == ["here", "lab", "as it was"]


def test_the_working_directory_comes_first_on_the_path_and_twice_is_once(caller):
    before = list(sys.path)
    use_callers_files(caller / "lab" / "configs")
    use_callers_files()
    assert sys.path == [str(caller / "here"), str(caller / "lab"), *before]


def test_a_config_that_would_never_be_read_is_refused(caller):
    configs = caller / "lab" / "configs"
    (configs / "model").mkdir()
    (configs / "model" / "mlp.yaml").write_text((CONFIGS / "model" / "mlp.yaml").read_text())
    use_callers_files(configs)  # the same file says the same
    (configs / "model" / "mlp.yaml").write_text("_target_: mine.Net\n")
    with pytest.raises(ConfigError, match=r"model/mlp.yaml would never be read: .* rename yours"):
        use_callers_files(configs)


def test_that_is_said_in_one_line(caller):
    (caller / "lab" / "configs" / "train.yaml").write_text("seed: 1\n")
    done = command_line("train.py", "-cd", str(caller / "lab" / "configs"), "--cfg", "job")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def start(folder: Path, *arguments: str) -> list[int]:
    """Start train.py in a folder; return the parameter counts of the runs that it left there."""
    script = (sys.executable, ROOT / "scripts" / "train.py")
    done = subprocess.run([*script, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return sorted(read_json(path)["params"] for path in folder.glob("logs/*/*/summary.json"))


def test_a_labs_sweep_trains_in_workers_from_any_working_directory(tmp_path):
    lab, here = write_lab(tmp_path / "lab"), tmp_path / "here"
    here.mkdir()
    sweep = ("--config-dir", str(lab / "configs"), "-m", "experiment=mine", "hydra/launcher=local")
    assert start(here, *sweep, "hydra.launcher.cpu_slots=1") == [65 * 2 + 3 * 10, 65 * 3 + 4 * 10]


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
