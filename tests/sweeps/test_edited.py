"""Config files that are edited while a search runs, which composes each trial when its turn comes."""

import signal
from pathlib import Path
from typing import Any

import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from overparam.commands.train import main
from overparam.models.mlp import MLP

FILE, WIDTH = Path("model") / "edited.yaml", "_target_: {}.Editing\nwidth: {}\nedits: {}\n"


class Editing(MLP):
    """An MLP that whoever trains it edits the config of."""

    def __init__(self, *arguments: Any, edits: str, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        Path(edits).write_text(WIDTH.format(__name__, 5, edits))


def test_an_edit_changes_no_later_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # In place of an engine's search, whose package tests do without: Hydra's own sweeper, which composes as they do.
    file = tmp_path / FILE
    file.parent.mkdir()
    file.write_text(WIDTH.format(__name__, 3, file))
    search = (
        "-m",
        "hydra/sweeper=basic",
        "seed=0,1",
        "model=edited",
        f"hydra.searchpath=[file://{tmp_path}]",
    )
    small = ("logger=local", "data.n_train=20", "trainer.max_steps=2", "trainer.accelerator=cpu")
    command = ["train.py", *search, *small, f"paths.logs={tmp_path / 'logs'}", "name=e"]
    monkeypatch.setattr("sys.argv", command)
    monkeypatch.setattr("logging.basicConfig", lambda **_: None)
    handler = signal.getsignal(signal.SIGTERM)
    GlobalHydra.instance().clear()
    try:
        assert main() == 0
    finally:
        signal.signal(signal.SIGTERM, handler)
        GlobalHydra.instance().clear()
    assert "width: 5" in file.read_text()
    widths = [OmegaConf.load(path).model.width for path in tmp_path.glob("logs/e/*/config.yaml")]
    assert widths == [3, 3]
