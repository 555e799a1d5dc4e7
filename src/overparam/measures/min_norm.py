"""Where training on linear regression ends: at which of the many interpolators."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from overparam.measures.subject import Subject


def min_norm(subject: Subject) -> dict[str, float]:
    """Measure how far the weights W of a linear model are from two solutions of its training set (X, Y).

    - `min_norm_distance`: ||W - W+|| / ||W+||, with W+ = X^+ Y the least-squares solution of least norm, at
      which gradient descent from zero ends (Zhang et al. 2017, section 5).
    - `nearest_interpolator_distance`: ||W - W*|| / ||W*||, with W* = W_0 + X^+ (Y - X W_0) the one nearest to
      the initial W_0, at which gradient descent from W_0 ends.

    A bias counts as a weight on an input that is 1. NaN for networks with more than one layer of parameters.
    Costs one SVD of the inputs, [n, d].
    """
    layers = [m for m in subject.net.modules() if list(m.parameters(recurse=False))]
    if len(layers) != 1 or not isinstance(layers[0], nn.Linear):
        return {"min_norm_distance": math.nan, "nearest_interpolator_distance": math.nan}
    (first,) = (m for m in subject.initial.modules() if isinstance(m, nn.Linear))
    x = subject.train.x.flatten(1).double()
    if layers[0].bias is not None:
        x = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype, device=x.device)], dim=1)
    y = subject.train.y
    targets = y.double() if y.is_floating_point() else F.one_hot(y, layers[0].out_features).double()
    inverse = torch.linalg.pinv(x)
    weights, start = _weights(layers[0]), _weights(first)
    least = inverse @ targets
    nearest = start + inverse @ (targets - x @ start)
    return {
        "min_norm_distance": ((weights - least).norm() / least.norm()).item(),
        "nearest_interpolator_distance": ((weights - nearest).norm() / nearest.norm()).item(),
    }


def _weights(layer: nn.Linear) -> Tensor:
    parts = [layer.weight] if layer.bias is None else [layer.weight, layer.bias[:, None]]
    return torch.cat(parts, dim=1).detach().double().T
