"""Fully connected networks."""

import math
from typing import Literal

from torch import Tensor, nn

Activation = Literal["relu", "gelu", "tanh", "identity"]
Norm = Literal["none", "batch", "layer"]
Init = Literal["he", "lecun"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "identity": nn.Identity,
}
NORMS: dict[str, type[nn.Module]] = {"none": nn.Identity, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
GAINS: dict[str, float] = {"he": 2.0, "lecun": 1.0}


class MLP(nn.Module):
    """Multilayer perceptron d -> width -> ... -> width -> K with `depth` hidden layers.

    Hidden weights are N(0, g/fan_in), with g = 2 for "he" (He et al. 2015) and 1 for "lecun"; the readout is
    N(0, 1/fan_in), biases are zero. Trainable parameters, without norm:
    (d + 1) width + (depth - 1) (width + 1) width + (width + 1) K.

    Args:
        input_shape: shape of one sample; it is flattened to d.
        num_outputs: K.
        width: units a hidden layer.
        depth: hidden layers, 1 or more.
        activation: the nonlinearity, one of "relu", "gelu", "tanh", "identity".
        norm: before the activation, one of "none", "batch", "layer".
        dropout: probability of dropping a hidden unit, after the activation.
        init: scale of the hidden weights, "he" or "lecun".

    Raises:
        ValueError: for a width or depth below 1 or a dropout outside [0, 1).
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_outputs: int,
        width: int,
        depth: int = 1,
        activation: Activation = "relu",
        norm: Norm = "none",
        dropout: float = 0.0,
        init: Init = "he",
    ) -> None:
        super().__init__()
        for name, value in (("width", width), ("depth", depth)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"model.{name} must be a positive integer, got {value}")
        if not 0 <= dropout < 1:
            raise ValueError(f"model.dropout must be in [0, 1), got {dropout}")
        layers: list[nn.Module] = [nn.Flatten()]
        fan_in = math.prod(input_shape)
        for _ in range(depth):
            layers.append(_linear(fan_in, width, GAINS[init]))
            if norm != "none":
                layers.append(NORMS[norm](width))
            layers.append(ACTIVATIONS[activation]())
            if dropout > 0:
                layers.append(nn.Dropout(dropout))
            fan_in = width
        layers.append(_linear(fan_in, num_outputs, 1.0))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs [N, K] for inputs [N, *input_shape]."""
        return self.layers(x)


def _linear(fan_in: int, fan_out: int, gain: float) -> nn.Linear:
    layer = nn.Linear(fan_in, fan_out)
    nn.init.normal_(layer.weight, std=math.sqrt(gain / fan_in))
    nn.init.zeros_(layer.bias)
    return layer
