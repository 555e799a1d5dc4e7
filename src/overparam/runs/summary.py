"""`summary.json`: what a finished run has to say. Its presence means "finished"."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

SUMMARY, WEIGHTS = "summary.json", "weights.pt"

# Training error at which a network counts as fitting its data (Nakkiran et al. 2019, section 2).
EPSILON = 0.1

Regime = Literal["under", "critical", "over"]


def regime(train_error: float | None, interpolation_step: int | None) -> Regime:
    """Return where a run stands relative to the interpolation threshold, by what it did, not by its size.

    "over": it interpolated (train error 0; regression: below 1e-3 of var(y)). "critical": it fits its data up
    to `EPSILON` but did not interpolate. "under": it does not fit. Nakkiran et al. 2019 compare the largest n
    that the procedure fits with the n at hand; this is the same comparison, read off a single run.
    """
    if interpolation_step is not None:
        return "over"
    return "critical" if train_error is not None and train_error <= EPSILON else "under"


@dataclass
class Summary:
    """The one place where the keys of `summary.json`, and of the W&B summary, are defined.

    Errors are misclassification rates for classes and mean squared errors for regression, measured in eval
    mode after the last step. A quantity that does not exist for a run is null.
    """

    identity: str  # the run's name and directory
    name: str  # the sweep's name
    params: int  # P, trainable parameters
    n_train: int  # n, training samples
    num_outputs: int  # K
    params_per_sample: float  # P / n
    params_per_constraint: float  # P / (n K)
    train_error: float  # on the labels trained on, full training set
    train_error_clean: float | None  # ... on the samples whose label is right; None for regression
    train_error_noisy: float | None  # ... on the samples whose label is wrong: 0 is all noise memorized
    test_error: float  # on the clean test set
    train_loss: float
    test_loss: float
    best_test_error: float  # the lowest over the run; for reading only, nothing was selected by it
    best_step: int  # ... and the step it was seen at
    interpolation_step: (
        int | None
    )  # first evaluated step with train_error 0 (regression: below 1e-3 of var(y))
    noise_rate: float  # realized share of wrong labels in the training set
    steps: int  # optimizer steps taken
    wall_seconds: float  # training time, over all attempts
    pack: str | None = None  # the name of the pack it was trained in, see packs.record; None is alone
    val_loss: float | None = None  # on samples kept from training, whose labels are noisy too
    val_error: float | None = None
    warnings: list[str] = field(default_factory=list)  # why a number should not be taken for a finding
    measures: dict[str, Any] = field(default_factory=dict)  # what the configured measures add
    config: dict[str, Any] = field(default_factory=dict)  # flat config values that make the identity
    choices: dict[str, Any] = field(default_factory=dict)  # what was chosen of each config group
    regime: Regime = field(init=False)  # see `regime`

    def __post_init__(self) -> None:
        self.regime = regime(self.train_error, self.interpolation_step)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a file to write that takes the place of `path` once it is complete; else what was there stays.

    So a reader never sees part of a file, nor does one that is killed, or finds the disk full, leave one.
    """
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a file of JSON, see `whole`. NaN becomes null."""
    text = json.dumps(_finite(content), indent=1, allow_nan=False)
    with whole(path) as file:
        file.write_text(text + "\n", "utf-8")


def write_summary(run_dir: Path, summary: Summary) -> dict[str, Any]:
    """Mark the run in `run_dir` finished; return what was written."""
    content = asdict(summary)
    measures = content.pop("measures")
    content = {**content, **measures}
    write_json(run_dir / SUMMARY, content)
    return _finite(content)


def read_summary(run_dir: Path) -> dict[str, Any] | None:
    """Return the summary of a finished run; None if there is none that can be read."""
    try:
        content = json.loads((run_dir / SUMMARY).read_bytes())
    except (FileNotFoundError, IsADirectoryError, ValueError):
        return None
    if not isinstance(content, dict):
        return None
    if "alarms" in content:  # as warnings were called
        content["warnings"] = content.pop("alarms")
    return content


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    is_bad = isinstance(value, float) and (value != value or value in (float("inf"), float("-inf")))
    return None if is_bad else value
