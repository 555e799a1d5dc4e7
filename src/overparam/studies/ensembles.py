"""Ensembles of runs, and averages of their weights."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from overparam.studies.interpolation import average
from overparam.studies.matching import match_weights
from overparam.training.finished import FinishedRun, loss_and_error, require_same_data
from overparam.training.objective import error


def ensembles(runs: Sequence[FinishedRun], matched: bool = False) -> list[dict[str, Any]]:
    """Measure by how much averages of independent runs on one training set improve on single runs.

    Args:
        runs: two finished runs or more that differ in initialization and batch order only.
        matched: also average the weights after permuting the units of all to match the first.

    Returns:
        One row: `members`; test errors `error_member`, mean over the members; `error_ensemble`, of their mean
        class probabilities (regression: mean outputs; Lakshminarayanan et al. 2017); `error_average`, of the
        network with their mean weights; with `matched`, `error_matched_average`; `gain` and `gain_average`, how
        far the ensemble and the network of mean weights are below `error_member`.
    """
    require_same_data(runs)
    test, nets = runs[0].test, [run.net for run in runs]

    def mean_error(outputs: Tensor) -> float:
        return error(outputs, test.y).double().mean().item()

    def error_of_mean_weights(nets: Sequence[nn.Module]) -> float:
        mean = average(nets, [1 / len(nets)] * len(nets), runs[0].train.x)
        return loss_and_error(mean, test, runs[0].loss)[1]

    x = test.x.to(next(nets[0].parameters()).dtype)
    with torch.no_grad():
        outputs = [net(x) for net in nets]
    if not test.y.is_floating_point():
        outputs = [output.softmax(1) for output in outputs]
    single = sum(mean_error(output) for output in outputs) / len(outputs)
    row: dict[str, Any] = {"members": len(runs), "error_member": single}
    row["error_ensemble"] = mean_error(torch.stack(outputs).mean(0))
    row["gain"] = single - row["error_ensemble"]
    row["error_average"] = error_of_mean_weights(nets)
    row["gain_average"] = single - row["error_average"]
    if matched:
        matching = [nets[0], *(match_weights(net, nets[0]) for net in nets[1:])]
        row["error_matched_average"] = error_of_mean_weights(matching)
    return [row]
