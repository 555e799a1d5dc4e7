"""Weights & Biases: one W&B run a run, same names, never in the way of training.

Online or offline, W&B's files are written to `wandb/` in the run's directory first and sent from there in the
background. What could not be sent stays there, and `report.py <sweep> --sync` sends it (`training.loggers.send_rest`).
"""

import json
import logging
import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import WandbLogger

from overparam.loggers.synced import mark_synced
from overparam.loggers.wandb_start import Mode, finish, own_id, said, start
from overparam.ranges import PositiveFloat
from overparam.runs.metrics import read_metrics
from overparam.runs.state import describe
from overparam.runs.summary import Summary, regime

log = logging.getLogger(__name__)


class RunLogger(WandbLogger):
    """Lightning's W&B logger for a run whose steps are the optimizer's and which ends as the run does.

    An error of W&B's ends what is logged to it, with a warning, and never the training.

    Args:
        experiment: the W&B run.
        checkpoints: whether the final weights become an artifact.
        first_step: what came before this step, W&B has already.
    """

    def __init__(self, experiment: Any, checkpoints: bool, first_step: int = 0) -> None:
        super().__init__(experiment=experiment)
        self.checkpoints, self.first_step = checkpoints, first_step
        self._held: dict[int, dict[str, float]] = {}
        self._has_failed = False

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log at W&B's step `step`, leaving out what W&B has of a resumed run already.

        W&B takes rows in the order of their steps alone, and what a module logs of a step comes after the evaluation
        that follows the step: so a row waits until there is one of a later step than the next.
        """
        if step is None:
            self._tell(lambda: self.experiment.log(dict(metrics)))
        elif step >= self.first_step:
            self._held.setdefault(step, {}).update(metrics)
            self._send(before=step - 1)

    def _send(self, before: float = math.inf) -> None:
        for step in sorted(step for step in self._held if step < before):
            row = {**self._held.pop(step), "trainer/global_step": step}
            self._tell(partial(self.experiment.log, row, step=step, commit=True))

    def _tell(self, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:
            if not self._has_failed:
                log.warning("W&B failed (%s): what it lacks is in the run's directory", describe(error))
            self._has_failed = True

    def finalize(self, status: str) -> None:
        """Mark a run failed that Lightning saw fail; a good end is `end`'s."""
        if status == "failed":
            self._send()
            self._tell(lambda: finish(self.experiment, exit_code=1))

    def end(self, summary: Summary, weights: Path) -> None:
        """Write the run's summary, keep its weights if asked, and finish within finish_timeout."""
        self.close({**vars(summary), **summary.measures}, weights)

    def close(self, summary: Mapping[str, Any], weights: Path) -> None:
        """Do what `end` does, with a summary as summary.json has it."""
        self._send()
        values = {
            key: value for key, value in summary.items() if key not in ("config", "choices", "measures")
        }
        values["regime"] = regime(summary["train_error"], summary["interpolation_step"])
        self._tell(lambda: self.experiment.summary.update(values))
        if self.checkpoints:
            self._tell(lambda: self._keep(weights, summary["steps"]))
        self._tell(lambda: finish(self.experiment, exit_code=0))

    def _keep(self, weights: Path, steps: int) -> None:
        import wandb

        artifact = wandb.Artifact(f"weights-{self.experiment.id}", type="model", metadata={"steps": steps})
        artifact.add_file(str(weights), policy="immutable")
        self.experiment.log_artifact(artifact)


def wandb_run(
    *,
    run_dir: Path,
    identity: str,
    sweep: str,
    settings: dict[str, Any],
    step: int = 0,
    project: str | None = None,
    entity: str | None = None,
    mode: Mode = "auto",
    tags: list[str] | None = None,
    notes: str | None = None,
    checkpoints: bool = False,
    init_timeout: PositiveFloat = 10.0,
    finish_timeout: PositiveFloat = 30.0,
) -> RunLogger:
    """Start the W&B run of one training run, or continue it if the training is continued.

    Args:
        run_dir: the run's directory; W&B's files go to `wandb/` in it.
        identity: the run's identity, W&B's name for it.
        sweep: the sweep's name, W&B's group.
        settings: the resolved config.
        step: the step that training continues from; at 0 it starts anew, and so does the W&B run.
        project: W&B project; None is WANDB_PROJECT, or the lab's name.
        entity: W&B user or team; None is WANDB_ENTITY, or the account's default.
        mode: "auto" is what WANDB_MODE says, else online if there is a key and offline if not.
        tags: W&B tags; None is WANDB_TAGS, or the data set and the network.
        notes: W&B notes; None is WANDB_NOTES.
        checkpoints: whether to keep the final weights as a W&B artifact.
        init_timeout: seconds to wait for the server at the start; then the run logs offline.
        finish_timeout: seconds to wait at the end for what is still to be sent; then it stays on disk.
    """
    tags = said(tags, "WANDB_TAGS")
    if tags is None:
        targets = [(settings.get(section) or {}).get("_target_", "") for section in ("data", "model")]
        tags = [target.rpartition(".")[2].lower() for target in targets if target]
    before = list((run_dir / "wandb").glob("*run-*/run-*.wandb"))
    experiment = start(
        mode=mode,
        directory=run_dir,
        run_id=own_id(run_dir, f"{sweep}-{identity}", continues=step > 0),
        name=identity,
        init_timeout=init_timeout,
        finish_timeout=finish_timeout,
        project=project,
        entity=entity,
        group=sweep,
        job_type="train",
        tags=tags.split(",") if isinstance(tags, str) else tags,
        notes=said(notes, "WANDB_NOTES"),
        config=settings,
    )
    experiment.define_metric("*", step_metric="trainer/global_step")
    before = [file for file in before if file.stem == f"run-{experiment.id}"]
    if experiment.offline:
        known = _steps_on_disk(before)
    else:
        known = experiment.starting_step if experiment.resumed else 0
        for file in before:
            if file.parent != Path(experiment.dir).parent:
                mark_synced(file)  # what W&B lacks of it is logged again
    logger = RunLogger(experiment, checkpoints, known)
    # A killed run may have evaluated what W&B had not yet written down or sent.
    for row in read_metrics(run_dir):
        logger.log_metrics({key: value for key, value in row.items() if key != "step"}, step=row["step"])
    return logger


def _steps_on_disk(files: Sequence[Path]) -> int:
    """Return the step after the last one in the given `.wandb` files, which is what sync sends."""
    last = -1
    for file in files:
        command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
        lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
        if not lines:
            shutil.rmtree(file.parent)  # killed before anything was written: sync would stumble over it
        for line in lines:
            record = json.loads(line)
            if record["type"] == "history":
                last = max(last, record["history"]["item"].get("_step", -1))
    return last + 1
