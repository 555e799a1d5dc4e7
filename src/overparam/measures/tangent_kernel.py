"""The empirical neural tangent kernel: how far it moved from init, and how well it fits the labels."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from overparam.measures.subject import Subject
from overparam.ranges import PositiveInt


def tangent_kernel_change(subject: Subject, samples: PositiveInt = 100) -> dict[str, float]:
    """Measure how the tangent kernel Theta [m, m] of m training samples differs from Theta_0 at init.

    - `kernel_change`: ||Theta - Theta_0||_F / ||Theta_0||_F, about 1/width in the lazy regime (Jacot et al.
      2018; Lee et al. 2019), and order one where features are learned.
    - `kernel_alignment`: <Theta, Y Y^T>_F / (||Theta||_F ||Y Y^T||_F) after centering both, with Y the
      one-hot labels or targets (Cortes et al. 2012); `kernel_alignment_init` the same of Theta_0.

    Costs m K backward passes and m K P numbers of memory a chunk of samples, twice.

    Args:
        subject: what is measured.
        samples: m, at most; the first ones of the training set.
    """
    x, y = subject.inputs(subject.train, samples), subject.train.y[:samples]
    now, start = tangent_kernel(subject.net, x), tangent_kernel(subject.initial, x)
    targets = y if y.is_floating_point() else F.one_hot(y)
    labels = targets.double() @ targets.double().T
    return {
        "kernel_change": ((now - start).norm() / start.norm()).item(),
        "kernel_alignment": centered_alignment(now, labels),
        "kernel_alignment_init": centered_alignment(start, labels),
    }


def tangent_kernel(net: nn.Module, x: Tensor, chunk: int = 25) -> Tensor:
    """Return the trace of the empirical tangent kernel over outputs, in float64.

    Theta(x, x') = sum_k <d f_k(x) / d theta, d f_k(x') / d theta> / K, [m, m] for inputs x [m, *input_shape]
    (Jacot et al. 2018), over the trainable parameters, in eval mode. Samples are differentiated `chunk` at a
    time.
    """
    parameters = {k: p.detach() for k, p in net.named_parameters() if p.requires_grad}
    fixed = {k: p.detach() for k, p in net.named_parameters() if not p.requires_grad} | dict(
        net.named_buffers()
    )

    def outputs(values: dict[str, Tensor], sample: Tensor) -> Tensor:
        return functional_call(net, values | fixed, (sample[None],))[0]

    jacobians = [vmap(jacrev(outputs), in_dims=(None, 0))(parameters, part) for part in x.split(chunk)]
    kernel = torch.zeros(len(x), len(x), dtype=torch.float64, device=x.device)
    for name in parameters:  # one after the other: all of them in float64 would be the most memory taken
        rows = torch.cat([jacobian.pop(name) for jacobian in jacobians])  # [m, K, *shape]
        flat = rows.flatten(1).double()
        kernel += flat @ flat.T / rows.shape[1]
    return kernel


def centered_alignment(first: Tensor, second: Tensor) -> float:
    """Return the cosine in [-1, 1] of two kernels [m, m] whose rows and columns were centered."""
    centering = torch.eye(len(first), dtype=first.dtype, device=first.device) - 1 / len(first)
    a, b = (centering @ kernel.to(first.dtype) @ centering for kernel in (first, second))
    return ((a * b).sum() / (a.norm() * b.norm())).item()
