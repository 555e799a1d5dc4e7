"""Rich and lazy training by the scale of a network's output (Chizat et al. 2019)."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from overparam.exact.linearized import learning_rate
from overparam.exact.trained import configured, descent
from overparam.measures.tangent_kernel import tangent_kernel
from overparam.models.mlp import MLP
from overparam.randomness import derive_seed, drawing
from overparam.ranges import PositiveFloat, PositiveInt
from overparam.training.objective import mse


def laziness(
    seed: int,
    scales: Sequence[PositiveFloat],
    width: PositiveInt = 50,
    teachers: PositiveInt = 3,
    n: PositiveInt = 100,
    test_size: PositiveInt = 500,
    dim: PositiveInt = 15,
    steps: PositiveInt = 2000,
    rate: PositiveFloat = 0.3,
) -> list[dict[str, Any]]:
    """Train the lab's ReLU MLP with its output scaled by `scale`, on a teacher of a few ReLU units.

    The model is scale (h(w) - h(w_0)), its loss divided by scale^2, so that gradient descent fits at the same pace for
    all scales: a large one moves the weights little, order 1/scale, and trains the linearized network, which cannot
    find the teacher's few directions; a small one learns features (Chizat et al. 2019, section 3).

    Args:
        seed: of teacher, data and weights.
        scales: of the output.
        width: hidden units.
        teachers: hidden units of the teacher; its targets have mean square 1.
        n: training samples.
        test_size: test samples.
        dim: inputs, uniform on the sphere of radius sqrt(dim).
        steps: of full-batch gradient descent.
        rate: learning rate times the curvature at the start, see `learning_rate`.

    Returns:
        A row for each scale: `scale`, `train_mse`, `test_mse` over the targets' mean square; `moved`,
        ||w - w_0|| / ||w_0||; `kernel_change`, relative, of the tangent kernel.
    """
    with drawing(derive_seed(seed, "teacher")):
        teacher = MLP((dim,), 1, teachers).double()
        x, tested = (
            math.sqrt(dim) * nn.functional.normalize(torch.randn(size, dim, dtype=torch.float64))
            for size in (n, test_size)
        )
    with torch.no_grad():
        y, wanted = teacher(x), teacher(tested)
        unit = wanted.square().mean().sqrt()
        y, wanted = y / unit, wanted / unit
    rows = []
    for scale in scales:
        with drawing(derive_seed(seed, "init")):
            net = _Scaled(MLP((dim,), 1, width, init="normal", init_std=width**-0.5).double(), scale)
        before = nn.utils.parameters_to_vector(net.parameters()).detach().clone()
        kernel = tangent_kernel(net, x, chunk=n)
        optimizer = configured("sgd", lr=learning_rate(kernel, rate), momentum=0)
        losses = [loss for _, loss in descent(net, x, y, mse, optimizer, steps)]
        after = nn.utils.parameters_to_vector(net.parameters()).detach()
        with torch.no_grad():
            error = (net(tested) - wanted).square().mean().item()
        now = tangent_kernel(net, x, chunk=n)
        row = {"scale": scale, "train_mse": losses[-1], "test_mse": error}
        row |= {"moved": ((after - before).norm() / before.norm()).item()}
        rows.append(row | {"kernel_change": ((now - kernel).norm() / kernel.norm()).item()})
    return rows


class _Scaled(nn.Module):
    """scale (h(w) - h(w_0)) of a network h, w_0 being its weights now."""

    def __init__(self, net: nn.Module, scale: float) -> None:
        super().__init__()
        self.net, self.scale = net, scale
        self.start = [p.detach().clone() for p in net.parameters()]

    def forward(self, x: Tensor) -> Tensor:
        """[N, d] -> [N, K]."""
        names = [name for name, _ in self.net.named_parameters()]
        begun = torch.func.functional_call(self.net, dict(zip(names, self.start, strict=True)), (x,))
        return self.scale * (self.net(x) - begun)
