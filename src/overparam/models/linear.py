"""Linear readout of the flattened input."""

import math

from torch import Tensor, nn

from overparam.models.checks import check_choice


class Linear(nn.Module):
    """f(x) = W x + b with W [K, d], x the sample flattened to d numbers.

    The one network without a `width`: its size is set by the data, P = K d (+ K with the bias).

    Started at zero, gradient descent on the squared loss stays in the row space of the data and so ends, when
    d > n, at the interpolator of least ||W||^2 + ||b||^2 (SGD too; Adam does not). Any other start adds its
    component outside that row space, which no gradient removes. See Zhang et al. 2017, section 5.

    Args:
        input_shape: shape of one sample, (C, H, W) or (d,).
        num_outputs: K.
        bias: whether b is there; without it P/(nK) = d/n exactly.
        init: "zero", or "normal" for W ~ N(0, 1/d), b = 0.

    Raises:
        ValueError: for another `init`.
    """

    def __init__(
        self, input_shape: tuple[int, ...], num_outputs: int, bias: bool = True, init: str = "zero"
    ) -> None:
        super().__init__()
        check_choice("init", init, ("zero", "normal"))
        dim = math.prod(input_shape)
        self.readout = nn.Linear(dim, num_outputs, bias=bias)
        nn.init.normal_(self.readout.weight, std=dim**-0.5 if init == "normal" else 0.0)
        if self.readout.bias is not None:
            nn.init.zeros_(self.readout.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[N, *input_shape] -> [N, num_outputs]."""
        return self.readout(x.flatten(1))
