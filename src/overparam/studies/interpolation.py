"""Weighted averages of the parameters of networks, with BatchNorm statistics recomputed."""

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from overparam.measures.norms import BATCH_NORMS
from overparam.training.finished import BATCH


def average(nets: Sequence[nn.Module], weights: Sequence[float], x: Tensor) -> nn.Module:
    """Return the network whose parameters are sum_i weights_i theta_i, in eval mode.

    Its BatchNorm statistics are recomputed on x [n, *input_shape]: interpolating those of the ends makes barriers
    that are not there (Jordan et al. 2023).
    """
    mixed = copy.deepcopy(nets[0])
    states = [dict(net.named_parameters()) for net in nets]
    with torch.no_grad():
        for name, parameter in mixed.named_parameters():
            weighted = [w * state[name] for w, state in zip(weights, states, strict=True)]
            parameter.copy_(torch.stack(weighted).sum(0))
    return recompute_statistics(mixed, x)


@torch.no_grad()
def recompute_statistics(net: nn.Module, x: Tensor) -> nn.Module:
    """Set every BatchNorm's mean and variance to those over x, in batches of 2048; return the net in eval mode.

    `torch.optim.swa_utils.update_bn` does the same, but with dropout switched on.
    """
    layers = [m for m in net.modules() if isinstance(m, BATCH_NORMS)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain average over the batches that follow
        layer.train()
    for batch in x.split(BATCH) if layers else ():
        net(batch.to(next(net.parameters()).dtype))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    return net.eval()


def barrier(losses: Mapping[float, float]) -> float:
    """Return max over alpha of L(alpha) - [(1 - alpha) L(0) + alpha L(1)] (Entezari et al. 2022).

    Args:
        losses: alpha in [0, 1] -> L(alpha), with 0 and 1 among them.
    """
    return max(loss - (1 - alpha) * losses[0.0] - alpha * losses[1.0] for alpha, loss in losses.items())
