"""How far a run is that is being trained, `.running.json` in its directory: for who looks on, and nothing else."""

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from overparam.runs.damage import read_object
from overparam.runs.summary import write_json

RUNNING = ".running.json"


@dataclass(frozen=True)
class HowFar:
    """The step that a run has reached, of how many, and what it last evaluated."""

    step: int
    max_steps: int
    train_error: float | None
    test_error: float | None


def write_how_far(run_dir: Path, how_far: HowFar) -> None:
    """Say how far a run is; what the file system refuses is no reason to fail."""
    with suppress(OSError):
        write_json(run_dir / RUNNING, asdict(how_far))


def read_how_far(run_dir: Path) -> HowFar | None:
    """Return how far a run is; None if it does not say."""
    try:
        return HowFar(**read_object(run_dir / RUNNING))
    except (OSError, ValueError, TypeError):
        return None


def remove_how_far(run_dir: Path) -> None:
    """Say no more how far a run is, for it is trained no more."""
    with suppress(OSError):
        (run_dir / RUNNING).unlink()
