"""What every part of the benchmark shares: repeats in turn, ratios, the device, and what a part hands back."""

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
ACCELERATOR = f"trainer.accelerator={'gpu' if torch.cuda.is_available() else 'cpu'}"


def clock() -> float:
    """Return the time once the device has done what it was given."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def paired(ways: Iterable[str], measure: Callable[[str], float], repeats: int) -> dict[str, list[float]]:
    """Return the seconds of each way, measured in turn."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way, seconds in times.items():
            seconds.append(measure(way))
    return times


def ratio(times: dict[str, list[float]], way: str, base: str) -> float:
    """Return the median over repeats of one way's time over another's."""
    return statistics.median(a / b for a, b in zip(times[way], times[base], strict=True))


def middle(times: dict[str, list[float]], way: str) -> float:
    """Return the median of one way's seconds."""
    return statistics.median(times[way])


@dataclass
class Result:
    """What a part found: a markdown table, and how its seconds grow with the work."""

    table: list[str]
    title: str = ""
    work: str = ""  # what grows
    seconds: str = "seconds"
    figure: str = "bench.png"  # which picture its curves are in
    curves: dict[str, list[tuple[float, float]]] = field(default_factory=dict)  # way -> (work, seconds)

    def add(self, way: str, work: float, seconds: float) -> None:
        """Add a point to the curve of a way."""
        self.curves.setdefault(way, []).append((work, seconds))
