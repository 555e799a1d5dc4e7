"""What is minimized and what is counted, written once for one network and for many side by side.

Outputs are [N, K] for samples N, or [M, K, N] for the members M of a pack; y is [N] or [M, N] for classes, [N, K] or
[M, N, K] for regression targets. What is returned has one number a sample, [N] or [M, N].

A loss of a lab is a callable from outputs [N, K] and y to losses [N]; it need not know of packs.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from overparam.ranges import Share

Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(outputs: Tensor, y: Tensor, label_smoothing: Share = 0.0) -> Tensor:
    """Return the cross entropy of each sample against its class.

    Args:
        outputs: logits.
        y: classes.
        label_smoothing: share of the target that is spread evenly over all K classes (Szegedy et al. 2016).
    """
    return F.cross_entropy(outputs, y, reduction="none", label_smoothing=label_smoothing)


def mse(outputs: Tensor, y: Tensor) -> Tensor:
    """Return the squared error of each sample, averaged over the K outputs.

    Classes are compared as one-hot targets (Belkin et al. 2019).
    """
    return _squares(outputs, y if y.is_floating_point() else F.one_hot(y, outputs.shape[1]))


def error(outputs: Tensor, y: Tensor) -> Tensor:
    """Return whether each sample is misclassified, 0 or 1, or its squared error averaged over the K targets."""
    if y.is_floating_point():
        return _squares(outputs, y)
    # max finds the index that argmax finds, 5 times faster along a middle axis on a CPU.
    return (outputs.max(1).indices != y).float()


def _squares(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets.to(outputs.dtype).movedim(-1, 1)).square().mean(1)


def mean_loss(loss: Loss, outputs: Tensor, y: Tensor) -> Tensor:
    """Return the mean of `loss` over the samples of a batch, a scalar."""
    if is_plain_cross_entropy(loss):
        return F.cross_entropy(outputs, y)  # one kernel each way, not two; the same gradient bit for bit
    return loss(outputs, y).mean()


def is_plain_cross_entropy(loss: Loss) -> bool:
    """Return whether `loss` is `cross_entropy` without label smoothing."""
    return loss is cross_entropy or (
        isinstance(loss, partial)
        and loss.func is cross_entropy
        and not loss.args
        and not any(loss.keywords.values())
    )


def is_packable(loss: Loss) -> bool:
    """Return whether `loss` is one of this file, which take the outputs of many members at once."""
    function: Any = loss.func if isinstance(loss, partial) else loss
    return function in (cross_entropy, mse)


def for_task(task: str) -> Loss:
    """Return the loss of a config that names none: cross entropy for classes, squared error for regression."""
    return cross_entropy if task == "classification" else mse
