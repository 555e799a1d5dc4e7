"""Curvature of the training loss: top Hessian eigenvalue, trace, sharpness under a SAM step."""

import warnings
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from overparam.measures.subject import Subject
from overparam.ranges import NonNegativeInt, PositiveFloat, PositiveInt


def hessian(
    subject: Subject, samples: PositiveInt = 1200, trace_products: NonNegativeInt = 60
) -> dict[str, float]:
    """Measure the Hessian H [P, P] of the mean training loss, in eval mode, without forming it.

    - `hessian_top`: its largest eigenvalue, by Lanczos iteration (scipy's eigsh). Full-batch gradient descent
      with learning rate lr is stable while it is below 2/lr, and settles there (Cohen et al. 2021).
    - `hessian_trace`: Hutch++ estimate of its trace (Meyer et al. 2021), by `curvlinops`; exact if the
      rank is below a third of `trace_products`, or if there are no more than that many parameters.

    Costs about 20 to 60 Hessian-vector products for the first and `trace_products` for the second; one
    product costs about four forward-backward passes over `samples` samples.

    Args:
        subject: what is measured.
        samples: how many training samples the loss is averaged over.
        trace_products: Hessian-vector products for the trace, a multiple of three; 0 leaves it out.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of a package that curvlinops imports
        from curvlinops import HessianLinearOperator, hutchpp_trace
    from scipy.sparse.linalg import eigsh

    x, y = subject.inputs(subject.train, samples), subject.train.y[:samples]
    parameters = [p for p in subject.net.parameters() if p.requires_grad]
    operator = HessianLinearOperator(
        subject.net, _MeanLoss(subject), parameters, [(x, y)], check_deterministic=False, num_data=len(x)
    )
    dim = sum(p.numel() for p in parameters)
    start = torch.randn(dim, dtype=torch.float64).numpy()
    with sdpa_kernel(SDPBackend.MATH):  # the fused attention kernels have no second derivative
        top = eigsh(operator.to_scipy(), k=1, which="LA", v0=start, tol=1e-4, return_eigenvectors=False)
        row = {"hessian_top": float(top[0])}
        if trace_products >= dim:
            row["hessian_trace"] = float((operator @ torch.eye(dim, dtype=x.dtype, device=x.device)).trace())
        elif trace_products:
            row["hessian_trace"] = float(hutchpp_trace(operator, num_matvecs=trace_products))
    return row


class _MeanLoss(nn.Module):
    """The training loss as `curvlinops` asks for it."""

    reduction = "mean"

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self.mean_loss = subject.mean_loss

    def forward(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the mean loss of outputs [N, K]."""
        return self.mean_loss(outputs, y)


def sam_sharpness(
    subject: Subject, radius: PositiveFloat = 0.05, samples: PositiveInt = 1200
) -> dict[str, float]:
    """Measure `sam_sharpness`, the rise of the training loss L after one ascent step of length `radius`.

    It is L(theta + radius g/||g||) - L(theta) with g the gradient at theta: the first-order estimate of
    max over ||e|| <= radius of L(theta + e) - L(theta) (Foret et al. 2021, eq. 2). 0 where g = 0. Costs two
    forward and one backward pass over `samples` samples.

    Args:
        subject: what is measured.
        radius: rho, in units of the parameters.
        samples: how many training samples the loss is averaged over.
    """
    x, y = subject.inputs(subject.train, samples), subject.train.y[:samples]
    parameters = {k: p for k, p in subject.net.named_parameters() if p.requires_grad}

    def loss(values: Mapping[str, Tensor]) -> Tensor:
        return subject.mean_loss(functional_call(subject.net, dict(values), (x,)), y)

    here = loss(parameters)
    gradient = dict(zip(parameters, torch.autograd.grad(here, list(parameters.values())), strict=True))
    size = torch.stack([g.norm() for g in gradient.values()]).norm()
    if size == 0:
        return {"sam_sharpness": 0.0}
    with torch.no_grad():
        there = loss({k: p + radius * gradient[k] / size for k, p in parameters.items()})
    return {"sam_sharpness": (there - here).item()}
