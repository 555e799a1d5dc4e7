"""Benchmarks as ratios of paired repeats: python -m tests.bench [--short] [--only sweep,step] [--write README.md].

What is compared runs in turn in this process, so that what else the machine does falls on all alike. Every part is
a module with a `run`; the ways it compares are a dict there, to which one of your own can be added.
"""

import argparse
import os
import platform
import warnings
from pathlib import Path

import torch

from tests.bench import collecting, gpu, memory, pipeline, shares, shell, startup, step, sweep
from tests.bench.pairs import DEVICE
from tests.bench.plot import draw

START, END, FIGURES = "<!-- bench -->", "<!-- /bench -->", Path(".github/figures")
PARTS = {
    "shell": shell.run,
    "sweep": sweep.run,
    "shares": shares.run,
    "step": step.run,
    "pipeline": pipeline.run,
    "startup": startup.run,
    "collecting": collecting.run,
    "memory": memory.run,
    "gpu": gpu.run,
}
DEFAULT = ",".join(name for name in PARTS if name != "gpu" or DEVICE.type == "cuda")


def main(arguments: list[str] | None = None) -> None:
    """Run the parts asked for, print their tables, and put them between the markers of a file, with a plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--short", action="store_true", help="a minute or two, to see that everything runs")
    parser.add_argument("--only", default=DEFAULT, help="which parts, by name")
    parser.add_argument(
        "--write", type=Path, help=f"a markdown file with the markers; plots go to {FIGURES} beside it"
    )
    given = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    device = torch.cuda.get_device_name() if DEVICE.type == "cuda" else "no GPU"
    lines = [f"{platform.machine()}, {os.cpu_count()} cores, {device}; load at the start {load}."]
    print(lines[0], flush=True)
    results = []
    for name in given.only.split(","):
        torch.set_num_threads(1)  # a part may change it
        results.append(PARTS[name](given.short))
        lines += ["", *results[-1].table]
        print("\n" + "\n".join(results[-1].table), flush=True)
    if given.write:
        for figure in dict.fromkeys(result.figure for result in results if result.curves):
            same = [result for result in results if result.figure == figure]
            draw(same, given.write.parent / FIGURES / figure)
            lines += ["", f"![How seconds grow with the work]({FIGURES / figure})"]
        before, _, rest = given.write.read_text().partition(START)
        _, _, after = rest.partition(END)
        given.write.write_text(f"{before}{START}\n" + "\n".join(lines) + f"\n{END}{after}")


if __name__ == "__main__":
    main()
