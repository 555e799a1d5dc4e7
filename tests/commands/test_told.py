"""All that commands tell, of the real command lines: nothing else, and nothing of a library's."""

import importlib
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import Command, command_line
from tests.conftest import ROOT

SMALL = ("data.n_train=60", "trainer.max_steps=40", "trainer.accelerator=cpu")


def on_a_terminal(start: Callable[..., object], *arguments: str) -> list[str]:
    """The lines that a command leaves on a terminal of 80 columns, without colours and what it has overwritten."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}
    start(*arguments, stdout=theirs, stderr=theirs, env=environment)
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
    given = (*SMALL, "model.width=16", "logger=[csv,tensorboard]", f"paths.logs={tmp_path}")
    lines = on_a_terminal(Command, "train.py", *given)
    (run_dir,) = tmp_path.glob("runs/mlp*")
    assert lines[0] == "starting"
    assert lines[1] == run_dir.name
    assert [line.split("  ")[0] for line in lines[2:6]] == ["data", "model", "optimizer", "trainer"]
    assert lines[2].split("  ")[-1].strip() == "Digits, n_train 60"
    assert lines[3].split("  ")[-1].strip() == "MLP, width 16"
    assert lines[6].startswith("size")
    assert [line for line in lines if len(line) > 80] == []
    (last,) = [line for line in lines[7:] if "steps," not in line]
    assert re.fullmatch(rf"{run_dir.name} +train error \d\.\d\d\d +test \d\.\d\d\d +\d+\.\d s", last)


def test_a_sweep_tells_itself_in_a_log(tmp_path: Path) -> None:
    grid = ("seed=0,1", "model.width=8,16", "name=grid", f"paths.logs={tmp_path}")
    done = command_line("train.py", "-m", *SMALL, *grid, env={**os.environ, "COLUMNS": "80"})
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if "/4 done, " not in line]  # of every half minute
    assert told == [
        "4 runs: 0 finished, 4 to train",
        "4 runs are trained together, packs: 1",
    ]
    *table, figure, page = done.stdout.splitlines()
    assert [line[0] for line in table] == ["┏", "┃", "┡", "│", "│", "└"]
    assert [figure, page] == [
        str(tmp_path / "grid" / "report" / name) for name in ("figure.png", "index.html")
    ]


@pytest.mark.parametrize("command", ["train", "analyze", "plan"])
def test_starting_is_said_to_people_and_not_to_programs(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(f"overparam.commands.{command}")
    monkeypatch.setattr(module, "run", lambda: print("ran", file=sys.stderr))
    monkeypatch.setattr(sys, "argv", [f"{command}.py", "seed=0"])
    assert module.main() == 0
    assert capsys.readouterr() == ("", "ran\n")
    for asked, lines in (("seed=0", "starting\nran\n"), ("--help", "ran\n"), ("--info", "ran\n")):
        monkeypatch.setattr(sys, "argv", [f"{command}.py", asked])
        with (tmp_path / "log").open("w") as log, monkeypatch.context() as redirected:
            redirected.setattr(sys, "stderr", log)
            assert module.main() == 0
        assert (tmp_path / "log").read_text() == lines


def test_it_is_said_before_anything_heavy_is_imported() -> None:
    def start(*arguments: str, **options: Any) -> None:
        subprocess.Popen([sys.executable, *arguments], cwd=ROOT, **options).wait()

    assert on_a_terminal(start, "scripts/train.py", "model=nope")[0] == "starting"
