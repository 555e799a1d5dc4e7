"""The linear layers of many MLPs and their gradients: few calls, the fastest kernels, few passes over units.

A layer may rectify what it returns. It then takes the gradient with regard to what it would have returned
otherwise: the layer after it writes zeros for units that are off.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from overparam import compat

# Of equal linear layers next to each other: how many there are, their outputs, their inputs.
Shapes = list[tuple[int, int, int]]

# Multiply-adds from which oneDNN's faster kernel is worth a call for each matrix (measured).
WORTH_A_CALL = 2**20


class SharedInputs(torch.autograd.Function):
    """The first layer: the MLPs of a row share their inputs, which need no gradient, so that a row is one product."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor, x: Tensor, rectify: bool) -> Tensor:
        """Return W x + b, [R, units, B], or its positive part.

        Args:
            ctx: keeps what the gradient needs.
            weight: W, [R, units, d].
            bias: b, [R, units].
            x: [R, B, d].
            rectify: whether a ReLU follows.
        """
        ctx.save_for_backward(x)
        bias = bias.unsqueeze(2)
        if not _pays(weight, x):
            units = torch.baddbmm(bias, weight, x.mT)
            return units.relu_() if rectify else units
        units = x.new_empty(*weight.shape[:2], x.shape[1])
        for row, w, b, inputs in zip(units, weight, bias, x, strict=True):  # a row is in the cache meanwhile
            torch.add(compat.onednn_product(w, inputs), b, out=row)
            if rectify:
                row.relu_()
        return units

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Return the gradients of weights and biases."""
        (x,) = ctx.saved_tensors
        if not _pays(gradient, x.mT):
            return torch.bmm(gradient, x), gradient.sum(2), None, None
        rows = [
            (compat.onednn_product(slopes, inputs.mT), slopes.sum(1))
            for slopes, inputs in zip(gradient, x, strict=True)
        ]
        of_weight, of_bias = (torch.stack(parts) for parts in zip(*rows, strict=True))
        return of_weight, of_bias, None, None


class OwnUnits(torch.autograd.Function):
    """A later layer: each MLP's weights by its own units, one product for all MLPs of a shape, or one each."""

    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, bias: Tensor, units: Tensor, shapes: Shapes, rectified: bool, rectify: bool
    ) -> Tensor:
        """Return W h + b, [R, outputs of all MLPs, B], or its positive part.

        Args:
            ctx: keeps what the gradient needs.
            weight: W, [R, numbers of all MLPs].
            bias: b, [R, outputs of all MLPs].
            units: h, [R, units of all MLPs, B].
            shapes: those of the MLPs' layers.
            rectified: whether the layer before has rectified h.
            rectify: whether a ReLU follows.
        """
        ctx.save_for_backward(weight, units)
        ctx.shapes, ctx.rectified = shapes, rectified
        rows, samples = len(units), units.shape[2]
        factors = zip(_weights(weight, shapes), _units(units, shapes), strict=True)
        outputs = torch.cat([product(w, h.mT).view(rows, -1, samples) for w, h in factors], 1)
        outputs += bias.unsqueeze(2)
        return outputs.relu_() if rectify else outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None, None]:
        """Return the gradients of weights, biases and units."""
        weight, units = ctx.saved_tensors
        swapped = [(count, inputs, outputs) for count, outputs, inputs in ctx.shapes]
        slopes, before = _units(gradient, swapped), _units(units, ctx.shapes)
        factors = zip(slopes, before, strict=True)
        of_weight = torch.cat([product(slope, h).view(len(weight), -1) for slope, h in factors], 1)
        of_units = _spread(
            [w.mT for w in _weights(weight, ctx.shapes)], [slope.mT for slope in slopes], units
        )
        if ctx.rectified:
            torch.ops.aten.threshold_backward.grad_input(of_units, units, 0, grad_input=of_units)
        return of_weight, gradient.sum(2), of_units, None, None, None


def _pays(left: Tensor, right: Tensor) -> bool:
    """Return whether the products of [M, m, k] and the transposes of [M, n, k] are worth a call each."""
    size = left.shape[1] * right.shape[1] * right.shape[2]
    return size >= WORTH_A_CALL and compat.has_onednn_product(left)


def product(left: Tensor, right: Tensor) -> Tensor:
    """Return the products of [M, m, k] and the transposes of [M, n, k], [M, m, n]."""
    if _pays(left, right):
        return torch.stack([compat.onednn_product(a, b) for a, b in zip(left, right, strict=True)])
    return torch.bmm(left, right.mT)


def _spread(lefts: Sequence[Tensor], rights: Sequence[Tensor], like: Tensor) -> Tensor:
    """Return the products of all shapes side by side, as the units `like` [R, units of all MLPs, B] are."""
    rows, samples = len(like), like.shape[2]
    if not any(map(_pays, lefts, rights)):
        of_shapes = map(product, lefts, rights)
        return torch.cat([each.view(rows, -1, samples) for each in of_shapes], 1)
    whole = torch.empty_like(like)
    sizes = [len(left) // rows * left.shape[1] for left in lefts]
    for left, right, place in zip(lefts, rights, whole.split(sizes, 1), strict=True):
        places = place.view(rows, -1, left.shape[1], samples)
        if _pays(left, right):  # each is written once, and while it is in the cache
            for i, (a, b) in enumerate(zip(left, right, strict=True)):
                places[divmod(i, places.shape[1])] = compat.onednn_product(a, b)
        else:
            places.copy_(product(left, right).view(places.shape))
    return whole


def _weights(weight: Tensor, shapes: Shapes) -> list[Tensor]:
    """Split [R, numbers of all MLPs] into the matrices [R * count, outputs, inputs] of each shape."""
    pieces = weight.split([math.prod(shape) for shape in shapes], 1)
    return [piece.reshape(-1, *shape[1:]) for piece, shape in zip(pieces, shapes, strict=True)]


def _units(units: Tensor, shapes: Shapes) -> list[Tensor]:
    """Split [R, inputs of all MLPs, B] into the matrices [R * count, inputs, B] of each shape."""
    pieces = units.split([count * inputs for count, _, inputs in shapes], 1)
    samples = units.shape[2]
    return [piece.reshape(-1, shape[2], samples) for piece, shape in zip(pieces, shapes, strict=True)]
