"""Ensembles of runs, and averages of their weights."""

from collections.abc import Sequence
from typing import Any

import torch

from overparam.studies.interpolation import average
from overparam.studies.matching import match_weights
from overparam.training.finished import FinishedRun, error, loss_and_error, require_same_data


def ensembles(runs: Sequence[FinishedRun], matched: bool = False) -> list[dict[str, Any]]:
    """Measure what averaging independent runs on one training set gains.

    Args:
        runs: two finished runs or more that differ in initialization and batch order only.
        matched: also average the weights after permuting the units of all to match the first.

    Returns:
        One row: `members`; `error_member`, mean test error of the members; `error_ensemble`, that of their
        mean class probabilities (regression: mean outputs), after Lakshminarayanan et al. 2017; `gain` their
        difference; `error_average`, that of the network of mean weights, and `gain_average`; with `matched`,
        `error_matched_average`.
    """
    require_same_data(runs)
    test, nets = runs[0].test, [run.net for run in runs]
    x = test.x.to(next(nets[0].parameters()).dtype)
    with torch.no_grad():
        outputs = [net(x) for net in nets]
    if not test.y.is_floating_point():
        outputs = [output.softmax(1) for output in outputs]
    single = sum(error(output, test.y) for output in outputs) / len(outputs)
    together = error(torch.stack(outputs).mean(0), test.y)
    row: dict[str, Any] = {"members": len(runs), "error_member": single, "error_ensemble": together}
    row["gain"] = single - together
    shares = [1 / len(nets)] * len(nets)
    row["error_average"] = loss_and_error(average(nets, shares, runs[0].train.x), test, runs[0].loss)[1]
    row["gain_average"] = single - row["error_average"]
    if matched:
        aligned = [nets[0], *(match_weights(net, nets[0]) for net in nets[1:])]
        mean = average(aligned, shares, runs[0].train.x)
        row["error_matched_average"] = loss_and_error(mean, test, runs[0].loss)[1]
    return [row]
