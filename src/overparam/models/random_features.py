"""Random features: a fixed random first layer, a linear readout that is trained or solved in closed form."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from overparam.models.checks import check_choice, check_width
from overparam.ranges import PositiveFloat, PositiveInt


class RandomFeatures(nn.Module):
    """f(x) = A phi(x) with phi fixed at random and A [K, width] the only parameters: P = K width.

    Features, with N = width, w ~ N(0, I/sigma^2) and b ~ U[0, 2 pi):

    - "rbf": phi_j(x) = sqrt(2/N) cos(w_j . x + b_j); phi(x) . phi(x') -> exp(-||x - x'||^2 / (2 sigma^2))
      (Rahimi & Recht 2007);
    - "relu": phi_j(x) = sqrt(2/N) max(w_j . x, 0), whose limit is the arc-cosine kernel of order 1 over
      sigma^2 (Cho & Saul 2009; the model of Mei & Montanari 2019).

    The readout has no bias, so the interpolation threshold P = nK is exactly width = n. It starts at zero,
    from where gradient descent on the squared loss tends to the solution that `solve` computes.

    Args:
        input_shape: shape of one sample, flattened to d numbers.
        num_outputs: K.
        width: number of features N.
        features: "rbf" or "relu".
        sigma: length scale of the first layer; None for sqrt(d), at which w . x has unit variance on
            standardized data.
        dtype: "float32" or "float64", of the features and of the readout; both hold the same draw, made in
            float64. At width = n the readout is huge and ill-conditioned, and float64 is what keeps its
            residual on the training set at rounding size.

    Raises:
        ValueError: for a width that is not a positive integer, an unknown `features` or `dtype`, or a `sigma`
            that is not positive.
    """

    weight: Tensor
    phase: Tensor | None

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_outputs: int,
        width: PositiveInt,
        features: str = "rbf",
        sigma: PositiveFloat | None = None,
        dtype: str = "float64",
    ) -> None:
        super().__init__()
        check_width(width)
        check_choice("features", features, ("rbf", "relu"))
        check_choice("dtype", dtype, ("float32", "float64"))
        if sigma is not None and sigma <= 0:
            raise ValueError(f"sigma must be positive, got {sigma}")
        real = torch.float64 if dtype == "float64" else torch.float32
        dim = math.prod(input_shape)
        weight = torch.randn(width, dim, dtype=torch.float64) / (math.sqrt(dim) if sigma is None else sigma)
        phase = 2 * math.pi * torch.rand(width, dtype=torch.float64) if features == "rbf" else None
        self.register_buffer("weight", weight.to(real))
        self.register_buffer("phase", phase if phase is None else phase.to(real))
        self.readout = nn.Linear(width, num_outputs, bias=False, dtype=real)
        nn.init.zeros_(self.readout.weight)

    def features(self, x: Tensor) -> Tensor:
        """phi(x): [N, *input_shape] -> [N, width], in the network's dtype."""
        x = x.flatten(1).to(self.weight.dtype)
        scale = math.sqrt(2 / len(self.weight))
        if self.phase is None:
            return scale * F.relu(F.linear(x, self.weight))
        return scale * torch.cos(F.linear(x, self.weight, self.phase))

    def forward(self, x: Tensor) -> Tensor:
        """[N, *input_shape] -> [N, num_outputs], in the network's dtype."""
        return self.readout(self.features(x))

    @torch.no_grad()
    def solve(self, x: Tensor, targets: Tensor, ridge: float = 0.0) -> None:
        """Sets the readout to the least-squares one on samples x [n, *input_shape], targets [n, K].

        See `least_squares_readout`. The solution is computed in float64 and rounded to the network's dtype.
        """
        self.readout.weight.copy_(least_squares_readout(self.features(x), targets, ridge))


def least_squares_readout(features: Tensor, targets: Tensor, ridge: float = 0.0) -> Tensor:
    """The A [K, N] that minimizes ||features A^T - targets||_F^2 + ridge ||A||_F^2, in float64.

    With features = U diag(s) V^T, A^T = V diag(s / (s^2 + ridge)) U^T targets. For ridge = 0 that is the
    pseudo-inverse: of all least-squares solutions the one of least norm, which interpolates if rank = n.
    Singular values below max(n, N) eps s_max count as zero (the usual cutoff, eps of float64); a coarser one,
    such as float32's, cuts off the interpolation peak.

    Args:
        features: [n, N].
        targets: [n, K].
        ridge: the penalty lambda >= 0, on the sum (not the mean) of squares.

    Raises:
        ValueError: if `ridge` is negative.
    """
    if ridge < 0:
        raise ValueError(f"ridge must not be negative, got {ridge}")
    u, s, vh = torch.linalg.svd(features.double(), full_matrices=False)
    cutoff = max(features.shape) * torch.finfo(s.dtype).eps * s[0]
    filtered = torch.where(s > cutoff, s / (s**2 + ridge), 0.0)
    return (vh.T @ (filtered[:, None] * (u.T @ targets.double()))).T
