"""The products of MLPs side by side are those of each MLP, and so are their gradients."""

import torch

from overparam.packs.side_by_side import OwnUnits

ROWS, SAMPLES, OUTPUTS = 2, 5, 3
WIDTHS = (1, 2, 2, 4)
SHAPES = [(1, OUTPUTS, 1), (2, OUTPUTS, 2), (1, OUTPUTS, 4)]


def operands():
    rng = torch.Generator().manual_seed(0)
    numbers = sum(OUTPUTS * width for width in WIDTHS)
    return tuple(
        torch.randn(*shape, dtype=torch.float64, generator=rng).requires_grad_()
        for shape in ((ROWS, numbers), (ROWS, sum(WIDTHS), SAMPLES))
    )


def test_each_mlp_is_multiplied_by_its_own_units():
    weight, hidden = operands()
    weights = weight.split([OUTPUTS * width for width in WIDTHS], 1)
    expected = [
        w.view(ROWS, OUTPUTS, width) @ h
        for w, h, width in zip(weights, hidden.split(WIDTHS, 1), WIDTHS, strict=True)
    ]
    torch.testing.assert_close(OwnUnits.apply(weight, hidden, SHAPES), torch.cat(expected, 1))


def test_its_gradient_is_the_slope_of_its_products():
    assert torch.autograd.gradcheck(lambda *given: OwnUnits.apply(*given, SHAPES), operands())
