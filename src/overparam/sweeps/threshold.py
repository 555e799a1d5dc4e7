"""Where the training error crosses a level, by bisection: so that a grid can be placed around the peak."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf

from overparam.data.module import PoolDataModule
from overparam.errors import ConfigError
from overparam.ranges import NonNegativeFloat, PositiveInt
from overparam.runs.summary import read_summary
from overparam.sweeps.grid import SEEDS, Composer

log = logging.getLogger(__name__)

SAMPLES = "data.n_train"  # the one key of which more makes the training set harder to fit
# Of a suggested grid, in multiples of the threshold: dense where the peak is, and far to both sides.
FACTORS = (1 / 8, 1 / 4, 1 / 2, 0.7, 0.85, 1, 1.2, 1.4, 2, 4, 8, 16)
LIMIT = 2**20


@dataclass(frozen=True)
class Search:
    """The knobs of configs/sweep/threshold.yaml."""

    along: str  # the config key that is searched
    level: NonNegativeFloat  # training error that is crossed
    start: PositiveInt | None  # the first value that is trained; None is the config's own
    precision: NonNegativeFloat  # the two values around the threshold differ by at most this share, or by 1

    def __post_init__(self) -> None:
        if self.along in SEEDS:
            raise ConfigError(f"hydra.sweeper.threshold.along={self.along}: a seed has no threshold")


@dataclass(frozen=True)
class Threshold:
    """Neighbouring values between which the training error crosses the level."""

    along: str
    level: float
    errors: dict[int, float]  # mean training error over seeds at every value that was trained
    fitted: int  # the value on the side where the error is at most the level
    unfitted: int  # ... and the one on the other side
    most: int  # the largest value that there is

    @property
    def grid(self) -> list[int]:
        """Values for a grid around the threshold."""
        middle = math.sqrt(self.fitted * self.unfitted)
        around = {min(max(round(middle * factor), 1), self.most) for factor in FACTORS}
        return sorted(around | {self.fitted, self.unfitted})

    @property
    def override(self) -> str:
        """The grid as an override of the command line."""
        return f"{self.along}={','.join(map(str, self.grid))}"

    def __str__(self) -> str:
        """What was trained, where the threshold is, and the grid."""
        trained = [
            f"{self.along}={value}: training error {self.errors[value]:.3g}" for value in sorted(self.errors)
        ]
        low, high = sorted((self.fitted, self.unfitted))
        where = f"the training error crosses {self.level:g} between {self.along}={low} and {high}"
        return "\n".join([*trained, where, f"a grid around it: {self.override}"])


def bisect(search: Search, start: int, most: int, error: Callable[[int], float]) -> Threshold:
    """Find neighbouring values between which `error` crosses the level, from `start` by factors of two, then halving.

    It takes the error to fall along the key, for data.n_train to rise. Where noise makes it cross several times, one of
    these is found.

    Args:
        search: key, level and precision.
        start: the first value, at least 1.
        most: the largest value that may be tried.
        error: training error at a value; it is asked once for each.

    Raises:
        ConfigError: if the error is on one side of the level up to the smallest or the largest value.
    """
    errors: dict[int, float] = {}

    def is_fitted(value: int) -> bool:
        errors[value] = error(value)
        log.info("%s=%d: training error %.3g, level %g", search.along, value, errors[value], search.level)
        return errors[value] <= search.level

    rises = search.along == SAMPLES
    value = min(start, most)
    first = is_fitted(value)
    up = first == rises  # to the side where the other answer is
    while True:
        neighbour = min(2 * value, most) if up else value // 2
        if neighbour < 1 or neighbour == value:
            side = "at most" if first else "above"
            raise ConfigError(
                f"the training error is {side} {search.level:g} from {search.along}={start} to {value}, the "
                f"{'largest' if up else 'smallest'} there is: choose another hydra.sweeper.threshold.level"
            )
        if is_fitted(neighbour) != first:
            break
        value = neighbour
    low, high = sorted((value, neighbour))
    while high - low > 1 and high > (1 + search.precision) * low:
        middle = min(max(round(math.sqrt(low * high)), low + 1), high - 1)
        low, high = (low, middle) if is_fitted(middle) != rises else (middle, high)
    fitted, unfitted = (low, high) if rises else (high, low)
    return Threshold(search.along, search.level, errors, fitted, unfitted, most)


def find_threshold(
    loader: ConfigLoader,
    master: DictConfig,
    grid: Sequence[Sequence[str]],
    search: Search,
    train: Callable[[Sequence[Sequence[str]]], object],
) -> Threshold:
    """Search with ordinary runs of a sweep, which are kept, and taken as they stand by the next search.

    Args:
        loader: Hydra's config loader.
        master: the sweep's own config.
        grid: the sweep's points; its values of the key that is searched do not count, and seeds are averaged over.
        search: what is searched.
        train: trains the runs of a grid that are not finished.

    Raises:
        ConfigError: if the key has no whole values, or the grid has other keys than it and seeds.
    """
    others = [tuple(text for text in point if text.partition("=")[0] != search.along) for point in grid]
    points = list(dict.fromkeys(others))
    _refuse_settings(points)
    composer = Composer(loader, master)
    first = composer.compose(grid[0])
    start = search.start if search.start is not None else OmegaConf.select(first, search.along)
    most = _largest(first, search.along)
    if start is None and search.along == SAMPLES:
        start = most  # null: all of them
    if not isinstance(start, int) or isinstance(start, bool) or start < 1:
        raise ConfigError(
            f"hydra.sweeper.threshold.along={search.along} must name a key whose value is a positive integer, got "
            f"{start!r}: name another, or give hydra.sweeper.threshold.start"
        )

    def error(value: int) -> float:
        runs = [[*point, f"{search.along}={value}"] for point in points]
        train(runs)
        return fmean(_training_error(composer, run) for run in runs)

    return bisect(search, start, most, error)


def _refuse_settings(points: Sequence[Sequence[str]]) -> None:
    values: dict[str, set[str]] = {}
    for point in points:
        for text in point:
            key, _, value = text.partition("=")
            values.setdefault(key, set()).add(value)
    several = [key for key, found in values.items() if len(found) > 1 and key not in SEEDS]
    if several:
        raise ConfigError(
            f"a threshold is that of one setting, and {', '.join(several)} has several values: fix it, seeds may vary"
        )


def _largest(cfg: DictConfig, along: str) -> int:
    if along != SAMPLES:
        return LIMIT
    from overparam.training.build import assemble, resolve

    data = assemble(resolve(cfg)).data
    # Of data that streams nothing is known.
    return data.pool_size - data.num_held_out if isinstance(data, PoolDataModule) else LIMIT


def _training_error(composer: Composer, overrides: Sequence[str]) -> float:
    run = composer.run(overrides)
    summary: Mapping[str, Any] | None = read_summary(run.directory)
    if summary is None or summary["train_error"] is None:
        raise ConfigError(f"{run.directory} has no training error: without it there is no threshold")
    return float(summary["train_error"])
