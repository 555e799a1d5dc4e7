"""Networks that meet a fault where a test wants it; the folder is that of the environment variable FAULTS."""

import errno
import os
import time
from pathlib import Path
from typing import Any

import torch

from overparam.models.mlp import MLP

FAULTS = "FAULTS"


class HangingMLP(MLP):
    """Never ends its first training step, but for the width that is not to hang."""

    def __init__(self, *arguments: Any, hangs: bool = True, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.hangs = hangs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        while self.training and self.hangs:
            time.sleep(0.05)
        return super().forward(x)


class GatedMLP(MLP):
    """Waits in each training step while there is a file `closed`, and says by one called `reached` that it does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        folder = Path(os.environ[FAULTS])
        while self.training and (folder / "closed").exists():
            (folder / "reached").touch()
            time.sleep(0.02)
        return super().forward(x)


class FullDisk:
    """In place of a file system that is full: writes fail while it is on."""

    def __init__(self, monkeypatch: Any) -> None:
        self.monkeypatch = monkeypatch

    def fill(self, *names: str) -> None:
        """Let no file that ends in one of `names` be written."""
        write = Path.open

        def refuse(path: Path, mode: str = "r", *arguments: Any, **keywords: Any) -> Any:
            if any(letter in mode for letter in "wax") and path.name.endswith(names):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            return write(path, mode, *arguments, **keywords)

        self.monkeypatch.setattr(Path, "open", refuse)

    def free(self) -> None:
        self.monkeypatch.undo()
