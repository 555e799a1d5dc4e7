"""Sizes of a network: weight norm, distance from initialization, path norm."""

import copy

import torch
from torch import Tensor, nn

from overparam.measures.subject import Subject
from overparam.models.mlp import ScaledLinear

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
UNSQUARABLE = (nn.LayerNorm, nn.GroupNorm, nn.GELU, nn.Tanh)


def norms(subject: Subject) -> dict[str, float]:
    """Measure the l2 sizes of the trainable parameters (Neyshabur et al. 2015, 2019).

    - `weight_norm`: ||theta||_2 over all P parameters.
    - `init_norm`: ||theta_0||_2 at step 0.
    - `distance_from_init`: ||theta - theta_0||_2; `relative_distance` is that over ||theta_0||_2.
    - `path_norm`: the l2 path norm, see `path_norm`.

    Costs two passes over the parameters and one forward pass of a single sample.
    """
    theta, start = flat_parameters(subject.net), flat_parameters(subject.initial)
    distance, size = (theta - start).norm().item(), start.norm().item()
    return {
        "weight_norm": theta.norm().item(),
        "init_norm": size,
        "distance_from_init": distance,
        "relative_distance": distance / size if size > 0 else float("nan"),
        "path_norm": path_norm(subject.net, subject.input_shape),
    }


def flat_parameters(net: nn.Module) -> Tensor:
    """Return all trainable parameters as one float64 vector [P]."""
    return torch.cat([p.detach().flatten().double() for p in net.parameters() if p.requires_grad])


@torch.no_grad()
def path_norm(net: nn.Module, input_shape: tuple[int, ...]) -> float:
    """Return sqrt(sum of the outputs of the network with squared parameters on the all-ones input).

    For a ReLU network without pooling that is the l2 path norm of Neyshabur et al. 2015, sqrt(sum over all
    paths from an input or a bias to an output of the product of squared weights); unchanged when a unit's
    input weights are scaled by c and its output weights by 1/c. BatchNorm counts as the affine map it is in
    eval mode; pooling acts on the squares as it does in the network (the convention of Jiang et al. 2020,
    appendix C). NaN for networks with LayerNorm or an activation that is not positively homogeneous.
    """
    if any(isinstance(module, UNSQUARABLE) for module in net.modules()):
        return float("nan")
    squared = copy.deepcopy(net).double().eval()
    normalized: set[int] = set()
    for module in squared.modules():
        if isinstance(module, BATCH_NORMS):
            assert module.running_mean is not None
            assert module.running_var is not None
            scale, shift = batch_norm_affine(module)
            module.weight, module.bias = nn.Parameter(scale.square()), nn.Parameter(shift.square())
            module.running_mean.zero_()
            module.running_var.fill_(1 - module.eps)
            normalized |= {id(module.weight), id(module.bias)}
        elif isinstance(module, ScaledLinear):
            module.scale, module.bias_scale = module.scale**2, module.bias_scale**2
    for tensor in [*squared.parameters(), *squared.buffers()]:
        if tensor.is_floating_point() and id(tensor) not in normalized and not _is_statistic(squared, tensor):
            tensor.square_()
    return squared(torch.ones(1, *input_shape, dtype=torch.float64, device=tensor.device)).sum().sqrt().item()


def batch_norm_affine(module: nn.Module) -> tuple[Tensor, Tensor]:
    """Return scale and shift [C] of the map that a BatchNorm layer is in eval mode."""
    assert isinstance(module, BATCH_NORMS)
    assert module.running_mean is not None
    assert module.running_var is not None
    deviation = (module.running_var + module.eps).sqrt()
    scale = module.weight / deviation if module.affine else 1 / deviation
    shift = -module.running_mean * scale + (module.bias if module.affine else 0.0)
    return scale.detach(), shift.detach()


def _is_statistic(net: nn.Module, tensor: Tensor) -> bool:
    statistics = (m for m in net.modules() if isinstance(m, BATCH_NORMS))
    return any(tensor is m.running_mean or tensor is m.running_var for m in statistics)
