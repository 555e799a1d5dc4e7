"""A guide, followed from top to bottom: its files are written and its commands run as the page has them."""

import glob
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.command_line import Command
from tests.conftest import CONFIGS, ROOT, read_json
from tests.gate import until

DOCS = ROOT / ".github" / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What the line before a block says: it is a file ("`mine.py`, the network:"), or nothing is done with it.
FILE = re.compile(r"`([\w/.]+)`, .*:")
NOT_RUN = "not run by a test"
# ... or its commands need a SLURM, a Ray or an Optuna: tests/engines runs them, and here they are planned.
ENGINES = "run by `make test-engines`"
# The comment behind a command that the page shows to be refused, or to be killed once a run of it has finished.
REFUSED, KILLED = "refused", "killed"
FINISHED = "logs/*/*/summary.json"
# What a picture is in: it is nothing to run.
PICTURES = ("mermaid",)
# In a command, the engine that it needs.
ENGINE = re.compile(r"hydra/launcher=(?!local)(\w+)|sweep=(\w+)")


@dataclass
class Guide:
    """A page that has been followed in a folder."""

    folder: Path
    said: list[tuple[str, str]] = field(default_factory=list)  # each command, and what it printed

    def give(self, line: str) -> None:
        """Run a command line of the page."""
        self.said.append((line, run(line, self.folder)))

    def printed(self, command: str) -> str:
        """What the one command printed that has these words in it."""
        (found,) = [text for line, text in self.said if command in line]
        return found

    def summaries(self, name: str) -> list[dict[str, Any]]:
        """What the runs of a sweep left, in the order of their names."""
        return [read_json(path) for path in sorted(self.folder.glob(f"logs/{name}/*/summary.json"))]


@pytest.fixture
def follow(tmp_path: Path) -> Callable[..., Guide]:
    """Follows a page of .github/docs/ in an empty folder, with `engines` also on what `ENGINES` needs."""

    def read(name: str, engines: bool = False) -> Guide:
        guide, page = Guide(tmp_path), (DOCS / name).read_text()
        for block in BLOCK.finditer(page):
            (language, text), before = block.groups(), page[: block.start()]
            lead = before.rstrip().rpartition("\n")[2]
            if NOT_RUN in lead or language in PICTURES:
                continue
            if file := FILE.fullmatch(lead):
                path = tmp_path / file[1]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            elif language == "bash":
                for line in text.replace("\\\n", " ").splitlines():
                    if ENGINES in lead and not engines:
                        plan_elsewhere(line, tmp_path)
                    else:
                        guide.give(line)
            else:
                assert language == "text", f"{name}: nothing executes the block after {lead!r}"
                if ENGINES not in lead or engines:
                    assert (missing := unsaid(text, guide.said)) == [], (
                        f"{name} says what no command has: {missing}"
                    )
        return guide

    return read


def run(line: str, folder: Path) -> str:
    """Run a command line of a page in a folder, and return what it printed."""
    program, *arguments = shlex.split(line, comments=True)
    if program in ("python", "wandb"):
        module = ["-m", "wandb"] if program == "wandb" else []
        files = [name for word in arguments for name in (sorted(glob.glob(word, root_dir=folder)) or [word])]
        command = [sys.executable, *module, *files]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        code, output = done.returncode, done.stdout + done.stderr
    else:
        package, _, command = program.partition("-")
        assert package == "overparam", f"{program}: a page runs the lab's commands, wandb and Python"
        printed = folder / ".printed"
        finished = set(folder.glob(FINISHED))
        with printed.open("w") as file:
            to = {"stdout": file.fileno(), "stderr": file.fileno()}
            child = Command(
                f"{command}.py", *arguments, cwd=folder, env={**os.environ, "COLUMNS": "100"}, **to
            )
        if f"# {KILLED}" in line:
            until(lambda: set(folder.glob(FINISHED)) - finished or child.poll() is not None)
            os.killpg(child.pid, signal.SIGKILL)
        code, output = child.wait(), printed.read_text()
    expected = 2 if f"# {REFUSED}" in line else -signal.SIGKILL if f"# {KILLED}" in line else 0
    assert code == expected, f"{line}\n{output}"
    return output


def plan_elsewhere(line: str, folder: Path) -> None:
    """Try as much of a training command as can be without its engine: what it trains, and the names of its knobs."""
    program, *words = shlex.split(line, comments=True)
    if program != "overparam-train":
        return
    (found,) = filter(None, map(ENGINE.fullmatch, words))
    launcher, search = found.groups()
    part, file = (
        ("sweeper", f"sweep/{search}.yaml") if search else ("launcher", f"hydra/launcher/{launcher}.yaml")
    )
    own = folder / "configs" / file
    config = OmegaConf.load(own if own.exists() else CONFIGS / file)
    knobs = config.hydra.sweeper if search else config
    prefix, rest = f"hydra.{part}.", []
    for word in words:
        key = word.lstrip("~").partition("=")[0]
        if key.startswith(prefix):
            known = OmegaConf.select(knobs, key.removeprefix(prefix), default="?") != "?"
            assert known, f"{file} has no {key}: {line}"
        elif word != found.string:
            rest.append(word)
    run(shlex.join(["overparam-plan", *rest]), folder)


def unsaid(text: str, said: list[tuple[str, str]]) -> list[str]:
    """Return the lines of `text` that no command has printed, whatever their numbers."""
    printed = {pattern(line) for _, output in said for line in output.splitlines()}
    return [line for line in text.splitlines() if pattern(line) not in {*printed, pattern("...")}]


def pattern(line: str) -> str:
    """Return a line without what differs from one machine, or width of the terminal, to the next."""
    words = re.sub(r"-[0-9a-f]{10}\b", "-#", line)
    return " ".join(re.sub(r"\d[\d,.]*", "#", words).split())
