"""Effective model complexity: how many samples a training procedure fits."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from overparam.errors import ConfigError, counted
from overparam.ranges import Share
from overparam.runs.summary import EPSILON
from overparam.training.finished import FinishedRun, loss_and_error


def effective_model_complexity(runs: Sequence[FinishedRun], epsilon: Share = EPSILON) -> list[dict[str, Any]]:
    """Return the largest n whose training error is at most `epsilon`, mean over seeds (Nakkiran et al. 2019, def. 1).

    Only the swept values of n are known: the true value lies in [emc, next_n).

    Args:
        runs: finished runs that differ in the number of samples, and in seeds.
        epsilon: the error that counts as fitted.

    Returns:
        One row: `params`; `emc`, the largest n up to which every swept n is fitted, 0 if the smallest is not;
        `next_n`, the smallest n that is not, null if all are; `params_per_emc`, null where either end is open.
    """
    if runs[0].train.y.is_floating_point():
        raise ConfigError("effective model complexity needs classification errors: these runs are regression")
    errors: dict[int, list[float]] = defaultdict(list)
    for run in runs:
        errors[len(run.train)].append(loss_and_error(run.net, run.train, run.loss)[1])
    if len(errors) < 2:
        raise ConfigError(
            f"effective model complexity needs runs that differ in data.n_train: {runs[0].identity} and those "
            f"like it all have {counted(len(runs[0].train), 'sample')}"
        )
    next_n = min((n for n in errors if fmean(errors[n]) > epsilon), default=None)
    emc = max((n for n in errors if next_n is None or n < next_n), default=0)
    params = runs[0].parts.params
    ratio = params / emc if emc and next_n else None
    return [{"params": params, "emc": emc, "next_n": next_n, "params_per_emc": ratio}]
