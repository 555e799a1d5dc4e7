"""Sharpness that does not depend on the scale of the weights: how far the training loss rises in a ball around them."""

import math
from typing import Annotated, Literal

import torch
from pydantic import BeforeValidator
from torch import Tensor
from torch.func import functional_call

from overparam.measures.subject import Subject
from overparam.ranges import PositiveFloat, PositiveInt

# A command line's inf is a number.
Norm = Annotated[Literal[2, "inf"], BeforeValidator(lambda norm: "inf" if norm == math.inf else norm)]
SMALLEST = 1e-3  # of a step, in units of the radius
GROWTH = 1.5  # of a step that raised the loss


def adaptive_sharpness(
    subject: Subject,
    norm: Norm = 2,
    radius: PositiveFloat = 0.5,
    samples: PositiveInt = 1200,
    starts: PositiveInt = 3,
    steps: PositiveInt = 300,
) -> dict[str, float]:
    """Measure `adaptive_sharpness`, how far the training loss L rises at most where each weight moves in proportion.

    It is max over ||u|| <= radius of L(theta + |theta| u) - L(theta), elementwise (Kwon et al. 2021, ASAM, eq. 5,
    without its constant for weights of 0, which stay 0): a rescaling of the weights that leaves the function as it is,
    such as of a ReLU unit's inputs against its outputs, leaves it as it is. With norm "inf" each weight moves by
    radius times itself at most, whatever the others do (Andriushchenko et al. 2023, arXiv:2302.07011, use both). That
    is the norm to compare widths by: to first order the rise is then radius times the sum of |weight times
    gradient|, the same for a network and for one whose every hidden unit is copied k times, with outgoing weights
    divided by k, which is the same function. With norm 2 that one's is smaller: by k^-1/2 with one hidden layer, and
    by more with several.

    The maximum is sought by projected gradient ascent, with norm "inf" along the signs, from the gradient's direction
    and from random ones; a step that raises the loss is followed by a longer one, another is halved, until it is too
    small. What is found is a lower bound of the maximum; with norm 2 it is the maximum where the loss is quadratic.
    Costs up to `starts` x `steps` forward and backward passes.

    Args:
        subject: what is measured.
        norm: of u.
        radius: rho, of u; relative to the weights.
        samples: how many training samples the loss is averaged over.
        starts: ascents, of which the highest counts.
        steps: the most steps of each.
    """
    x, y = subject.inputs(subject.train, samples), subject.train.y[:samples]
    shapes = {k: p.shape for k, p in subject.net.named_parameters() if p.requires_grad}
    theta = torch.cat([p.detach().flatten() for p in subject.net.parameters() if p.requires_grad])

    def loss_and_gradient(u: Tensor) -> tuple[float, Tensor]:
        u = u.detach().requires_grad_()
        moved = (theta + theta.abs() * u).split([shape.numel() for shape in shapes.values()])
        values = {k: part.view(shape) for (k, shape), part in zip(shapes.items(), moved, strict=True)}
        loss = subject.mean_loss(functional_call(subject.net, values, (x,)), y)
        return loss.item(), torch.autograd.grad(loss, u)[0]

    def along(vector: Tensor) -> Tensor:
        """Return the direction of `vector`, of length 1: with norm "inf" where it rises most within the box."""
        return _unit(vector) if norm == 2 else vector.sign()

    def into_ball(u: Tensor) -> Tensor:
        return u * (radius / u.norm().clamp(min=radius)) if norm == 2 else u.clamp(-radius, radius)

    here, gradient = loss_and_gradient(torch.zeros_like(theta))
    highest = here
    for direction in (gradient, *(torch.randn_like(theta) for _ in range(starts - 1))):
        u = radius * along(direction)
        (loss, slope), step = loss_and_gradient(u), radius
        for _ in range(steps):
            ahead = into_ball(u + step * along(slope))
            reached, next_slope = loss_and_gradient(ahead)
            if reached > loss:
                u, loss, slope, step = ahead, reached, next_slope, GROWTH * step
            else:
                step /= 2
            if step < SMALLEST * radius:
                break
        highest = max(highest, loss)
    return {"adaptive_sharpness": highest - here}


def _unit(vector: Tensor) -> Tensor:
    return vector / vector.norm().clamp(min=torch.finfo(vector.dtype).tiny)
