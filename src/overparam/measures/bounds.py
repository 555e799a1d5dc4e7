"""Classical generalization bounds, to be held against the test error they bound."""

import math
from collections.abc import Sequence

import torch
from torch import nn

from overparam.measures.margins import output_margins, spectral_norms
from overparam.measures.subject import Subject
from overparam.models.parameters import count_parameters


def bounds(subject: Subject) -> dict[str, float]:
    """Measure the capacity terms of classical bounds, leading constants and logarithms of n left out.

    A term of 1 or more is vacuous: errors are at most 1. With P parameters, L layers, n samples:

    - `bound_parameters`: sqrt(P / n), the textbook's count of parameters.
    - `bound_vc`: sqrt(d / n) with d = P L log2(P), the order of the VC dimension of ReLU networks
      (Bartlett et al. 2019, theorem 3: Theta(P L log(P / L)) between matching bounds).
    - `bound_spectral`: max ||x|| * prod_i s_i * (sum_i (||W_i^T||_{2,1} / s_i)^(2/3))^(3/2) /
      (margin sqrt(n)), s_i the spectral norms, margin the 10th percentile (Bartlett et al. 2017, eq. 1.2,
      reference matrices 0). For networks of linear layers only; NaN for others, or if the margin is <= 0.

    Costs one forward pass over the training set and an SVD of every weight matrix.
    """
    n, params = len(subject.train), count_parameters(subject.net)
    weighted = [m for m in subject.net.modules() if isinstance(m, nn.Linear | nn.Conv1d | nn.Conv2d)]
    dimension = params * len(weighted) * math.log2(params)
    return {
        "bound_parameters": math.sqrt(params / n),
        "bound_vc": math.sqrt(dimension / n),
        "bound_spectral": _spectral(subject, weighted),
    }


@torch.no_grad()
def _spectral(subject: Subject, weighted: Sequence[nn.Module]) -> float:
    holds_weights = [m for m in subject.net.modules() if list(m.parameters(recurse=False))]
    if subject.train.y.is_floating_point() or not all(isinstance(m, nn.Linear) for m in holds_weights):
        return math.nan
    x = subject.inputs(subject.train)
    margin = output_margins(subject.net(x), subject.train.y).double().quantile(0.1).item()
    if margin <= 0:
        return math.nan
    norms = spectral_norms(subject.net, subject.input_shape)
    # ||W^T||_{2,1} sums the l2 norms of the rows of W [out, in], one a unit.
    ratios = [
        getattr(m, "scale", 1.0) * m.weight.norm(dim=1).sum().item() / s  # type: ignore[operator]
        for m, s in zip(weighted, norms, strict=True)
    ]
    complexity = math.prod(norms) * sum(r ** (2 / 3) for r in ratios) ** 1.5
    return x.flatten(1).norm(dim=1).max().item() * complexity / (margin * math.sqrt(len(x)))
