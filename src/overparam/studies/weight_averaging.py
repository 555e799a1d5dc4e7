"""Stochastic weight averaging: the mean of the weights over the last part of a run."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.optim.swa_utils import AveragedModel

from overparam.errors import ConfigError
from overparam.ranges import BelowOne, PositiveInt
from overparam.studies.interpolation import recompute_statistics
from overparam.studies.retraining import retrain
from overparam.training.finished import FinishedRun, loss_and_error


def weight_averaging(
    runs: Sequence[FinishedRun], start: BelowOne = 0.75, points: PositiveInt = 20
) -> list[dict[str, Any]]:
    """Measure the effect of averaging the weights over the last part of a run (Izmailov et al. 2018).

    The run is trained again, as it was; its weights at `points` steps, evenly spaced from `start` of the run to its
    end, are averaged (`torch.optim.swa_utils`), and BatchNorm statistics recomputed. The learning rate is the run's
    own, where the paper raises it, so that only the averaging differs.

    Args:
        runs: one finished run.
        start: share of the steps before the first average, in [0, 1).
        points: weights averaged, the last included.

    Returns:
        One row: `error_last`, `error_average`, `gain` their difference (test error), and `loss_last`,
        `loss_average` (training loss).
    """
    (run,) = runs
    last = run.cfg.trainer.max_steps
    if not 0 <= start < 1 or points < 2:
        raise ConfigError(f"study.start must be in [0, 1) and points 2 or more, got {start} and {points}")
    mean = AveragedModel(run.new_net())
    steps = sorted({max(round(step), 1) for step in np.linspace(start * last, last, points)})
    retrain(run, run.new_net(), steps=steps, call=mean.update_parameters)
    averaged = recompute_statistics(mean.module, run.train.x)
    (loss_last, _), (loss_average, _) = (loss_and_error(n, run.train, run.loss) for n in (run.net, averaged))
    error_last, error_average = (loss_and_error(n, run.test, run.loss)[1] for n in (run.net, averaged))
    row = {"error_last": error_last, "error_average": error_average, "gain": error_last - error_average}
    return [{**row, "loss_last": loss_last, "loss_average": loss_average}]
