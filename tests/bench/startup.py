"""(d) What it takes to start, each in a process of its own."""

import subprocess
import sys
import tempfile
import time

from tests.conftest import ROOT

COMMANDS = {
    "train.py --help": ["--help"],
    "one run of one step": ["trainer.max_steps=1"],
    "a finished sweep of 60 runs, again": ["-m", "experiment=model_wise", "trainer.max_steps=1"],
}


def seconds(command: str) -> float:
    """Return the wall time of a command."""
    with tempfile.TemporaryDirectory() as folder:
        local = [] if command.endswith("--help") else ["logger=local", f"paths.logs={folder}"]
        call = [sys.executable, "scripts/train.py", *COMMANDS[command], *local]
        if "again" in command:
            subprocess.run(call, cwd=ROOT, check=True, capture_output=True)
        started = time.perf_counter()
        subprocess.run(call, cwd=ROOT, check=True, capture_output=True)
        return time.perf_counter() - started
