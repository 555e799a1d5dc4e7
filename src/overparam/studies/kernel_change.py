"""Change of the tangent kernel from the initial weights, and between checkpoints of one training."""

import copy
from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from overparam.measures.tangent_kernel import centered_alignment, tangent_kernel
from overparam.ranges import PositiveInt
from overparam.studies.interpolation import recompute_statistics
from overparam.training.finished import FinishedRun


def kernel_change(runs: Sequence[FinishedRun], samples: PositiveInt = 100) -> list[dict[str, Any]]:
    """Compare the empirical tangent kernels Theta [m, m] of a training at step 0 and at its checkpoints.

    Runs that differ in trainer.max_steps alone are checkpoints of one training, as long as the learning rate
    does not depend on its length. BatchNorm is in eval mode, with statistics recomputed on the training set, also
    at step 0.

    Args:
        runs: finished runs, in the order of their steps.
        samples: m, the first ones of the training set. Costs m K backward passes for each network.

    Returns:
        A row for each run: `steps`; `change_from_init`, ||Theta - Theta_0||_F / ||Theta_0||_F (about 1/width in the
        lazy regime: Jacot et al. 2018; Lee et al. 2019); `change_since_last`, the same against the checkpoint
        before (for the first, step 0); `distance_from_init`, 1 - <Theta, Theta_0> / (||Theta|| ||Theta_0||),
        in which scale does not count (Fort et al. 2020); `alignment_init` and `alignment`, of Theta_0 and of
        Theta with the labels (`tangent_kernel.centered_alignment`).
    """
    x, y = runs[0].train.inputs(slice(samples)), runs[0].train.y[:samples]
    targets = (y if y.is_floating_point() else F.one_hot(y)).double()
    labels = targets @ targets.T
    kernels = []
    for net in (runs[0].new_net(), *(run.net for run in runs)):
        settled = recompute_statistics(copy.deepcopy(net), runs[0].train.x)
        kernels.append(tangent_kernel(settled, x.to(next(net.parameters()).dtype)))
    start = kernels[0]
    return [
        {
            "steps": run.cfg.trainer.max_steps,
            "change_from_init": _change(start, now),
            "change_since_last": _change(before, now),
            "distance_from_init": 1 - ((now * start).sum() / (now.norm() * start.norm())).item(),
            "alignment_init": centered_alignment(start, labels),
            "alignment": centered_alignment(now, labels),
        }
        for run, before, now in zip(runs, kernels, kernels[1:], strict=False)
    ]


def _change(before: Tensor, now: Tensor) -> float:
    return ((now - before).norm() / before.norm()).item()
