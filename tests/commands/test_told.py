"""All that commands tell, of the real command lines: nothing else, and nothing of a library's."""

import importlib
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, command_line

SMALL = ("data.n_train=60", "trainer.max_steps=5", "trainer.accelerator=cpu")


def on_a_terminal(*command: str) -> list[str]:
    """The lines that a command leaves on a terminal of 80 columns, without colours and what it has overwritten."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}
    with subprocess.Popen(command, cwd=ROOT, stdout=theirs, stderr=theirs, env=environment):
        os.close(theirs)
        told = b""
        try:
            while piece := os.read(ours, 65536):
                told += piece
        except OSError:  # how a terminal ends whose other side is closed
            pass
    os.close(ours)
    lines = told.decode().split("\n")
    kept = [line.rstrip("\r").rpartition("\r")[2] for line in lines]
    return [text for line in kept if (text := re.sub(r"\x1b\[[\d;?]*\w", "", line).rstrip())]


def test_a_run_tells_itself_on_a_terminal(tmp_path: Path) -> None:
    given = (*SMALL, "model.width=3", "logger=[csv,tensorboard]", f"paths.logs={tmp_path}")
    lines = on_a_terminal(sys.executable, "scripts/train.py", *given)
    (run_dir,) = tmp_path.glob("runs/mlp*")
    assert lines[0] == "starting"
    assert lines[1] == run_dir.name
    assert [line.split("  ")[0] for line in lines[2:6]] == ["data", "model", "optimizer", "trainer"]
    assert lines[2].split("  ")[-1] == "Digits, n_train 60"
    assert lines[3].split("  ")[-1] == "MLP, width 3"
    assert lines[6].startswith("size")
    assert all(len(line) <= 80 for line in lines)
    (last,) = [line for line in lines[7:] if "steps," not in line]
    assert re.fullmatch(rf"{run_dir.name} +train error \d\.\d\d\d +test \d\.\d\d\d +\d+\.\d s", last)


def test_a_sweep_tells_itself_in_a_log(tmp_path: Path) -> None:
    grid = ("-m", "seed=0,1", "model.width=2,3", "name=grid", f"paths.logs={tmp_path}")
    done = command_line("train.py", *SMALL, *grid, "optimizer.lr=1e-3", env={**os.environ, "COLUMNS": "80"})
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "4 runs: 0 finished, 4 to train",
        "4 runs are trained together, packs: 1",
    ]
    first, *table, figure, page = done.stdout.splitlines()
    assert first == "starting"
    assert [line[0] for line in table] == ["┏", "┃", "┡", "│", "│", "└"]
    assert [figure, page] == [
        str(tmp_path / "grid" / "report" / name) for name in ("figure.png", "index.html")
    ]


@pytest.fixture
def said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[str, str]]:
    """Gives a command that would do nothing, and returns what stdout and stderr get."""

    def give(command: str, *arguments: str, is_terminal: bool) -> tuple[str, str]:
        module = importlib.import_module(f"overparam.commands.{command}")
        monkeypatch.setattr(module, "run", lambda: print("ran", file=sys.stderr))
        monkeypatch.setattr(sys, "argv", [f"{command}.py", *arguments])
        monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
        assert module.main() == 0
        return capsys.readouterr()

    return give


def test_starting_is_said_before_what_takes_long(said: Callable[..., tuple[str, str]]) -> None:
    for command in ("train", "analyze", "plan"):
        assert said(command, "seed=0", is_terminal=True) == ("", "starting\nran\n")
        assert said(command, "--cfg", "job", is_terminal=True) == ("", "ran\n")
        assert said(command, "--help", is_terminal=False) == ("", "ran\n")
    assert said("train", "seed=0", is_terminal=False) == ("starting\n", "ran\n")
    assert said("plan", "seed=0", is_terminal=False) == ("", "ran\n")  # stdout is the plan


def test_it_is_said_before_anything_heavy_is_imported() -> None:
    assert on_a_terminal(sys.executable, "scripts/train.py", "model=nope")[0] == "starting"
