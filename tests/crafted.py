"""Files as an attacker would leave them: read by `pickle.load` or `torch.load` as they come, they make a folder."""

import os
from pathlib import Path


class Makes:
    """An object whose pickle makes a folder when it is loaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)
