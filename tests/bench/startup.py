"""(d) What it takes to start, each in a process of its own."""

import statistics
import subprocess
import sys
import tempfile
import time

from tests.bench.pairs import Result
from tests.conftest import ROOT

COMMANDS: dict[str, list[str]] = {
    "train.py --help": ["--help"],
    "one run of one step": ["trainer.max_steps=1", "logger=local"],
    "a finished sweep of 60 runs, again": [
        "-m",
        "experiment=model_wise",
        "trainer.max_steps=1",
        "logger=local",
    ],
}


def seconds(command: str, repeats: int) -> float:
    """Return the median wall time of a command."""
    times = []
    with tempfile.TemporaryDirectory() as folder:
        call = [sys.executable, "scripts/train.py", *COMMANDS[command]]
        if "again" in command:
            subprocess.run([*call, f"paths.logs={folder}"], cwd=ROOT, check=True, capture_output=True)
        for repeat in range(repeats):
            logs = folder if "again" in command else f"{folder}/{repeat}"
            started = time.perf_counter()
            arguments = [] if "--help" in call else [f"paths.logs={logs}"]
            subprocess.run([*call, *arguments], cwd=ROOT, check=True, capture_output=True)
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def run(short: bool) -> Result:
    """Time every command; beside it, what Python and the imports of a plain Lightning script take."""
    call = [sys.executable, "-c", "import lightning"]
    started = time.perf_counter()
    subprocess.run(call, check=True)
    table = ["| start-up | seconds |", "|---|---|"]
    table.append(f"| python -c 'import lightning' | {time.perf_counter() - started:.1f} |")
    table += [f"| {command} | {seconds(command, 1 if short else 3):.1f} |" for command in COMMANDS]
    return Result(table)
