"""A callback at which a run waits until the test lets it go on."""

import time
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback


class Gate(Callback):
    """Writes `reached` into a folder when training starts, and waits there for `open`."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_train_start(self, *_: Any) -> None:
        (self.folder / "reached").touch()
        while not (self.folder / "open").exists():
            time.sleep(0.01)
