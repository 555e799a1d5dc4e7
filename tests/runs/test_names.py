"""A sweep's name is one folder name, whoever asks: a run, a sweep, a plan."""

import os
from pathlib import Path
from typing import Any

import pytest

from overparam.analysis.collect import collect
from overparam.analysis.report import report
from overparam.errors import ConfigError
from overparam.runs.identity import run_directory
from overparam.runs.names import folder_name, logs_folder
from overparam.sweeps.grid import Composer
from overparam.sweeps.plan import plan
from overparam.training.run import train
from tests.command_line import command_line
from tests.sweeps.conftest import composer

__all__ = ["composer"]

BAD = [
    *("", ".", "..", "../x", "grp/sub", "/tmp/x", "x/", "a\\b", ".replaced", ".packs", ".hidden", " x", "x "),
    *("x.", "report", "Report", "studies", "claims", "data", "x\ny", "x\0", "x\x1b[2J", "x\u202e", "n" * 201),
    *("\N{SNOWMAN}" * 67, None, True, 1.5, ["x"], {"x": 1}),
]


@pytest.mark.parametrize("name", BAD, ids=repr)
def test_what_is_no_folder_name_is_refused_in_one_line(name: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        folder_name(name)
    message = str(caught.value)
    assert message.startswith("name")
    assert message.isprintable()  # so it is one line, and no control code reaches the terminal
    assert len(message) < 200


@pytest.mark.parametrize("name", ["runs", "a b", "lr=0.1", "v1.2", "été", "n" * 200, "2024"])
def test_a_folder_name_stays_what_it_is(name: str) -> None:
    assert folder_name(name) == name


def test_every_way_to_a_run_refuses_it(composer: Composer, tmp_path: Path) -> None:
    cfg = composer.compose(["name=../x"])
    for call in (run_directory, train, lambda cfg: plan([(cfg, [])]), lambda _: composer.run(["name=../x"])):
        with pytest.raises(ConfigError, match="is a path"):
            call(cfg)
    with pytest.raises(ConfigError, match="is a path"):
        composer.run(["name=${paths.logs}/x"])
    assert list(tmp_path.iterdir()) == []


def test_an_integer_is_a_name_alone_and_in_a_sweep(composer: Composer, tmp_path: Path) -> None:
    few = ["data.n_train=60", "trainer.max_steps=2", "logger=local"]
    overrides = ["name=2024", f"paths.logs={tmp_path}", *few]
    cfg = composer.compose(overrides)
    assert composer.run(overrides).directory.parent == run_directory(cfg).parent == tmp_path / "2024"
    assert train(cfg)["name"] == "2024"


@pytest.mark.parametrize("command", [["train.py", "-m"], ["plan.py"], ["plan.py", "-m"]], ids=" ".join)
def test_commands_say_it_in_one_line_before_any_work(command: list[str], tmp_path: Path) -> None:
    script, *mode = command
    said = command_line(script, *mode, "name=grp/sub", f"paths.logs={tmp_path}/logs")
    assert (said.returncode, said.stdout) == (2, "")
    (line,) = said.stderr.splitlines()
    assert line.startswith("error: name='grp/sub' is a path")
    assert not (tmp_path / "logs").exists()


def test_a_folder_whose_name_is_no_text_is_refused_wherever_it_is_given(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    (folder / "run").mkdir(parents=True)
    (folder / "run" / "config.yaml").write_text("seed: 0\n")
    for ask in (logs_folder, report, collect):
        with pytest.raises(ConfigError, match=r"its name is not UTF-8: rename it"):
            ask(str(folder) if ask is logs_folder else folder)
