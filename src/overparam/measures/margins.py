"""Margins, normalized by the product of spectral norms."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from overparam.measures.norms import BATCH_NORMS, batch_norm_affine
from overparam.measures.subject import Subject


def margins(subject: Subject) -> dict[str, float]:
    """Measure the margins z_y - max_{k != y} z_k of the training samples, with the labels trained on.

    - `margin_mean`, `margin_p10`: mean and 10th percentile, in units of the outputs.
    - `spectral_product`: product of the spectral norms of all linear maps (see `spectral_norms`).
    - `normalized_margin_p10`: margin_p10 / (spectral_product * max ||x||), after Bartlett et al. 2017,
      eq. 1.2; in a residual network, whose skip connections the product ignores, it is a number and no bound.

    Regression has no margins: all NaN but the product. Costs one forward pass over the training set and 50
    power iterations a layer.
    """
    x = subject.inputs(subject.train)
    product = math.prod(spectral_norms(subject.net, subject.input_shape))
    if subject.train.y.is_floating_point():
        nan = float("nan")
        return dict.fromkeys(("margin_mean", "margin_p10", "normalized_margin_p10"), nan) | {
            "spectral_product": product
        }
    with torch.no_grad():
        margin = output_margins(subject.net(x), subject.train.y).double()
    low = margin.quantile(0.1).item()
    return {
        "margin_mean": margin.mean().item(),
        "margin_p10": low,
        "spectral_product": product,
        "normalized_margin_p10": low / (product * x.flatten(1).norm(dim=1).max().item()),
    }


def output_margins(outputs: Tensor, y: Tensor) -> Tensor:
    """Return z_y - max_{k != y} z_k, [N], of outputs [N, K] and classes [N]; positive where right."""
    own = F.one_hot(y, outputs.shape[1]).bool()
    return outputs[own] - outputs.masked_fill(own, -math.inf).max(1).values


def spectral_norms(net: nn.Module, input_shape: tuple[int, ...], iterations: int = 50) -> list[float]:
    """Return the largest singular value of every linear map of the network, in order of use.

    Linear layers: of the weight matrix. Convolutions: of the convolution, with its padding, on the image
    size it really sees (not of the reshaped kernel), by power iteration. BatchNorm, in eval mode: of its
    diagonal map, max |gamma| / sqrt(var + eps).

    Args:
        net: the network, in eval mode.
        input_shape: shape of one sample.
        iterations: power iterations for a convolution.
    """
    found: list[float] = []
    kinds = (nn.Linear, nn.Conv2d, *BATCH_NORMS)

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Linear):
            scale = getattr(module, "scale", 1.0)  # of a layer in NTK or mu-parametrization
            found.append(scale * torch.linalg.matrix_norm(module.weight.detach(), 2).item())
        elif isinstance(module, BATCH_NORMS):
            found.append(batch_norm_affine(module)[0].abs().max().item())
        elif isinstance(module, nn.Conv2d):
            found.append(_convolution_norm(module, inputs[0][:1], iterations))

    handles = [m.register_forward_hook(hook) for m in net.modules() if isinstance(m, kinds)]
    try:
        parameter = next(net.parameters())
        with torch.no_grad():
            net(torch.zeros(1, *input_shape, dtype=parameter.dtype, device=parameter.device))
    finally:
        for handle in handles:
            handle.remove()
    return found


def _convolution_norm(layer: nn.Conv2d, image: Tensor, iterations: int) -> float:
    unbiased: dict[str, Any] = {"bias": None, "stride": layer.stride, "padding": layer.padding}
    unbiased |= {"dilation": layer.dilation, "groups": layer.groups}
    weight = layer.weight.detach()
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(image.shape, generator=generator, dtype=image.dtype).to(image.device)
    with torch.enable_grad():
        for _ in range(iterations):
            v = (v / v.norm()).requires_grad_()
            # The gradient of ||A v||^2 / 2 is A^T A v, whatever stride and padding.
            (v,) = torch.autograd.grad(F.conv2d(v, weight, **unbiased).square().sum() / 2, v)
    return v.norm().sqrt().item()
