"""Where a run that was stopped goes on."""

import errno
from pathlib import Path

import torch
from omegaconf import DictConfig

from overparam import compat
from overparam.runs.damage import set_file_aside, what_is_wrong
from overparam.runs.metrics import METRICS, read_metrics
from overparam.runs.state import CHECKPOINT
from overparam.training.evaluation import log_spaced_steps

KEPT = ("global_step", "state_dict", "optimizer_states", "loops", "rng")  # what a run cannot continue without


def checkpoint_step(run_dir: Path) -> int:
    """Return the step that a killed run continues from; 0 if it starts anew."""
    checkpoint = run_dir / CHECKPOINT
    if not checkpoint.exists():
        return 0
    try:
        found = torch.load(checkpoint, weights_only=True, map_location="cpu")
        if missing := [key for key in KEPT if key not in found]:
            raise ValueError(f"it has no {missing[0]}")
        return found["global_step"]
    except Exception as error:  # torch has many for a file that is no checkpoint
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno != errno.EINVAL):
            raise  # it may be whole all the same
        raise ValueError(what_is_wrong(error)) from error


def start_step(run_dir: Path, cfg: DictConfig) -> int:
    """Return the step that a run starts or continues at; a checkpoint that it cannot continue from is set aside.

    That is a damaged one, or one without all that was evaluated before it.
    """
    files = (run_dir / CHECKPOINT, run_dir / METRICS)
    is_first = compat.is_first_process()  # others only look
    try:
        step = checkpoint_step(run_dir)
    except ValueError as error:
        if is_first:
            set_file_aside(files[0], what_is_wrong(error))
        return 0
    due = {at for at in log_spaced_steps(cfg.trainer.max_steps, cfg.evaluation.per_decade) if at <= step}
    try:
        missing = due - {row["step"] for row in read_metrics(run_dir)} if step else set()
        wrong = f"it has no row of step {min(missing)}" if missing else ""
    except ValueError as error:
        wrong = what_is_wrong(error)
    if not wrong:
        return step
    for file in files if is_first else ():
        if file.exists():
            set_file_aside(file, wrong if file.name == METRICS else f"{METRICS} is damaged")
    return 0
