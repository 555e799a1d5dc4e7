"""Benchmarks as ratios of paired repeats: python -m tests.bench [--short] [--only sweep,step] [--write README.md].

Everything that is compared runs in turn in this process, so that what else the machine does falls on all alike.
"""

import argparse
import os
import platform
import statistics
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from tests.bench import startup, step, sweep

START, END = "<!-- bench -->", "<!-- /bench -->"


def paired(ways: Sequence[str], measure: Callable[[str], float], repeats: int) -> dict[str, list[float]]:
    """Return the seconds of each way, measured in turn."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way in ways:
            times[way].append(measure(way))
    return times


def ratio(times: dict[str, list[float]], way: str, base: str) -> float:
    """Return the median over repeats of one way's time over another's."""
    return statistics.median(a / b for a, b in zip(times[way], times[base], strict=True))


def sweeps(short: bool) -> list[str]:
    """(a) A whole sweep, four ways."""
    lines = [
        "| 12 widths x 5 seeds | packed | unpacked | by hand | plain Lightning |",
        "|---|---|---|---|---|",
    ]
    for workload in sweep.WORKLOADS[: 1 if short else None]:
        small = replace(workload, seeds=2, steps=workload.steps // 10) if short else workload
        times = paired(list(sweep.WAYS), lambda way, w=small: sweep.seconds(way, w), 1 if short else 3)  # type: ignore[misc]
        ratios = [f"{ratio(times, way, 'packed'):.1f}x" for way in sweep.WAYS if way != "packed"]
        cells = [f"{statistics.median(times['packed']):.1f} s", *ratios]
        lines.append(f"| {small.name}, {small.steps} steps | " + " | ".join(cells) + " |")
    return lines


def steps(short: bool) -> list[str]:
    """(b) One step against a raw loop."""
    lines = ["| one step | raw loop | lab / raw |", "|---|---|---|"]
    for case in step.CASES:
        count = (30 if "ResNet" in case else 400) // (10 if short else 1)
        times = paired(
            ["raw", "lab"], lambda way, c=case, n=count: step.seconds(way, c, n), 1 if short else 7
        )  # type: ignore[misc]
        raw = statistics.median(times["raw"])
        lines.append(f"| {case} | {1e3 * raw:.2f} ms | {ratio(times, 'lab', 'raw'):.2f} |")
    return lines


def startups(short: bool) -> list[str]:
    """(d) Start-up."""
    lines = ["| start-up | seconds |", "|---|---|"]
    for command in startup.COMMANDS:
        times = [startup.seconds(command) for _ in range(1 if short else 3)]
        lines.append(f"| {command} | {statistics.median(times):.1f} |")
    return lines


PARTS = {"sweep": sweeps, "step": steps, "startup": startups}


def main() -> None:
    """Run the parts asked for, print their tables, and put them between the markers of a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--short", action="store_true", help="a minute, to see that everything runs")
    parser.add_argument("--only", default=",".join(PARTS), help="which parts, by name")
    parser.add_argument("--write", type=Path, help="a markdown file with the markers of this table")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    lines = [f"{platform.machine()}, {os.cpu_count()} cores, one thread each way; load at the start {load}."]
    for name in arguments.only.split(","):
        lines += ["", *PARTS[name](arguments.short)]
        print("\n".join(lines[-12:]), flush=True)
    if arguments.write:
        before, _, rest = arguments.write.read_text().partition(START)
        _, _, after = rest.partition(END)
        arguments.write.write_text(f"{before}{START}\n" + "\n".join(lines) + f"\n{END}{after}")


if __name__ == "__main__":
    main()
