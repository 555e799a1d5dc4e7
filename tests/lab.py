"""A lab of its own, as the guide has it: a folder with its configs and one file of code, and nothing of this one."""

import re
from pathlib import Path

from tests.conftest import ROOT

GUIDE = ROOT / ".github" / "docs" / "depend_or_fork.md"
FILE = re.compile(r"^`([\w/.]+)`, [^\n]*:\n\n```\w+\n(.*?)```", re.MULTILINE | re.DOTALL)

# Beside the guide's network: it is there only if the lab's `.env` was read.
CHECK = """

import os

assert os.environ["MINE"] == "from .env"
"""


def write_lab(folder: Path) -> Path:
    """Write the lab to `folder` and return it."""
    files = dict(FILE.findall(GUIDE.read_text()))
    files["mine.py"] += CHECK
    for name, text in {**files, ".env": "MINE='from .env'\n"}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
