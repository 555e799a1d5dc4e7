"""Fully connected networks."""

import math
from typing import Literal, get_args

import torch.nn.functional as F
from torch import Tensor, nn

from overparam.models.checks import check_choice, check_positive_integer, check_width
from overparam.ranges import BelowOne, PositiveFloat, PositiveInt

Activation = Literal["relu", "gelu", "tanh", "identity"]
Norm = Literal["none", "batch", "layer"]
Init = Literal["he", "lecun", "pytorch", "normal"]
Parametrization = Literal["standard", "ntk", "mup", "mup_adam"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "identity": nn.Identity,
}
NORMS: dict[str, type[nn.Module]] = {"none": nn.Identity, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
GAINS: dict[str, float] = {"he": 2.0, "lecun": 1.0}
BASE_WIDTH = 64  # at which "mup_adam" is "standard"


class MLP(nn.Module):
    """Multilayer perceptron d -> m -> ... -> m -> K with `depth` hidden layers of `width` m.

    Trainable parameters, without norm: (d + 1) m + (depth - 1) (m + 1) m + (m + 1) K.

    With g = 2 for init "he" (He et al. 2015) and 1 for "lecun", a layer's effective weights are W = s w, of
    which w is trained, and its effective biases t b, with b = 0 at first. The parametrizations, and their
    exponents (a, b) in m for the input, hidden and readout weights, W = m^-a w, w ~ N(0, m^-2b), as in
    table 1 of Yang & Hu 2021 (Tensor Programs IV; finite dimensions such as d left out):

    | | input layer s, std w | hidden s, std w | readout s, std w | t | (a, b) |
    |---|---|---|---|---|---|
    | standard | 1, √(g/d) | 1, √(g/m) | 1, √(1/m) | 1 | (0, 0) (0, ½) (0, ½) |
    | ntk | √(g/d), 1 | √(g/m), 1 | √(1/m), 1 | 1 | (0, 0) (½, 0) (½, 0) |
    | mup | √m, √(g/dm) | 1, √(g/m) | √(1/m), √(1/m) | √m, readout 1 | (-½, ½) (0, ½) (½, ½) |
    | mup_adam | 1, √(g/d) | r, √(g/m)/r | r, √(1/64) | 1 | (0, 0) (1, -½) (1, 0) |

    "ntk" (Jacot et al. 2018) is "standard" in function space at the start, with gradients that do not grow
    with the width. "mup" starts with a readout of order 1/m, m^-½ below the other two, and learns features
    at any width; with one hidden layer it is the mean-field parametrization (Mei et al. 2018).

    The learning rate is one for all layers (c = 0). For SGD that is the table of Yang & Hu: "ntk" and "mup"
    train alike at one rate for every width, "standard" needs a rate that falls as 1/m. The steps of Adam do
    not scale with the gradient, so under Adam "mup" asks for a rate m^-½ times as large for input and readout
    and m^-1 times for hidden weights: with one hidden layer, a global rate proportional to m^-½.

    "mup_adam" is that for Adam and its kind, r = 64/m: the effective weights of "mup", and one rate η for all of w
    moves them by r η, so that input weights and biases have the rate η, and hidden and readout weights 64 η / m
    (Yang et al. 2022, Tensor Programs V, table 3). Adam's updates are the same whatever a gradient is scaled by, so
    a layer's rate may be written as its scale s, and no optimizer has to know the layers; it holds as long as
    Adam's eps is small beside the gradients. At width 64 it is "standard".

    Args:
        input_shape: shape of one sample; it is flattened to d.
        num_outputs: K.
        width: m, units a hidden layer.
        depth: hidden layers, 1 or more.
        activation: the nonlinearity, one of "relu", "gelu", "tanh", "identity".
        norm: before the activation, one of "none", "batch", "layer".
        dropout: probability of dropping a hidden unit, after the activation.
        init: scale of the hidden weights, "he" or "lecun"; or "pytorch", the default of `nn.Linear` for all
            layers: weights and biases U(-1/√fan_in, 1/√fan_in); or "normal": all weights N(0, init_std²).
        init_std: the standard deviation of init "normal", None for the others.
        parametrization: "standard", "ntk", "mup" or "mup_adam", see above.

    Raises:
        ValueError: for a width or depth below 1, a dropout outside [0, 1), or "mup" or "mup_adam" with a norm, or
            init "pytorch" or "normal" with a parametrization other than "standard", whose scales they do not cover,
            or an `init_std` that does not go with the init.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_outputs: int,
        width: PositiveInt,
        depth: PositiveInt = 1,
        activation: Activation = "relu",
        norm: Norm = "none",
        dropout: BelowOne = 0.0,
        init: Init = "he",
        parametrization: Parametrization = "standard",
        init_std: PositiveFloat | None = None,
    ) -> None:
        super().__init__()
        check_width(width)
        check_positive_integer("depth", depth)
        check_choice("activation", activation, tuple(ACTIVATIONS))
        check_choice("norm", norm, tuple(NORMS))
        check_choice("init", init, get_args(Init))
        check_choice("parametrization", parametrization, get_args(Parametrization))
        if not 0 <= dropout < 1:
            raise ValueError(f"model.dropout must be in [0, 1), got {dropout}")
        if parametrization.startswith("mup") and norm != "none":
            raise ValueError(
                f"model.parametrization={parametrization} is for model.norm=none, got norm={norm}"
            )
        if parametrization != "standard" and init not in GAINS:
            raise ValueError(
                f"model.init={init} is for model.parametrization=standard, got {parametrization}"
            )
        if (init == "normal") != (init_std is not None):
            raise ValueError(f"model.init_std goes with model.init=normal, got {init_std} with {init}")
        layers: list[nn.Module] = [nn.Flatten()]
        fan_in = math.prod(input_shape)
        for position in range(depth):
            spread = init_std or math.sqrt(GAINS.get(init, 1.0) / fan_in)
            if parametrization == "standard" or (parametrization == "mup_adam" and position == 0):
                layers.append(_linear(fan_in, width, spread))
            elif parametrization == "ntk":
                layers.append(_linear(fan_in, width, 1.0, scale=spread))
            elif parametrization == "mup_adam":
                rate = BASE_WIDTH / width
                layers.append(_linear(fan_in, width, spread / rate, scale=rate))
            elif position == 0:
                root = math.sqrt(width)
                layers.append(_linear(fan_in, width, spread / root, scale=root, bias_scale=root))
            else:
                layers.append(_linear(fan_in, width, spread, scale=1.0, bias_scale=math.sqrt(width)))
            if norm != "none":
                layers.append(NORMS[norm](width))
            layers.append(ACTIVATIONS[activation]())
            if dropout > 0:
                layers.append(nn.Dropout(dropout))
            fan_in = width
        spread = math.sqrt(1 / width)
        # Std of the weights, and what they are scaled by.
        std, scale = {
            "standard": (init_std or spread, None),
            "ntk": (1.0, spread),
            "mup": (spread, spread),
            "mup_adam": (math.sqrt(1 / BASE_WIDTH), BASE_WIDTH / width),
        }[parametrization]
        layers.append(_linear(width, num_outputs, std, scale))
        self.layers = nn.Sequential(*layers)
        if init == "pytorch":
            for layer in layers:
                if isinstance(layer, nn.Linear):
                    layer.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs [N, K] for inputs [N, *input_shape]."""
        return self.layers(x)


class ScaledLinear(nn.Linear):
    """x -> scale W x + bias_scale b: a linear layer whose constants an optimizer does not see."""

    def __init__(self, fan_in: int, fan_out: int, scale: float, bias_scale: float) -> None:
        super().__init__(fan_in, fan_out)
        self.scale, self.bias_scale = scale, bias_scale

    def forward(self, x: Tensor) -> Tensor:
        """[N, fan_in] -> [N, fan_out]."""
        return F.linear(self.scale * x, self.weight, self.bias_scale * self.bias)


def _linear(
    fan_in: int, fan_out: int, std: float, scale: float | None = None, bias_scale: float = 1.0
) -> nn.Linear:
    layer = nn.Linear(fan_in, fan_out) if scale is None else ScaledLinear(fan_in, fan_out, scale, bias_scale)
    nn.init.normal_(layer.weight, std=std)
    nn.init.zeros_(layer.bias)
    return layer
