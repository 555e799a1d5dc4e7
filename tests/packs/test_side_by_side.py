"""The layers of MLPs side by side are those of each MLP, and so are their gradients."""

import pytest
import torch

from overparam import compat
from overparam.packs import products
from overparam.packs.products import OwnUnits, SharedInputs

ROWS, SAMPLES, INPUTS, OUTPUTS = 2, 5, 4, 3
WIDTHS = (1, 2, 2, 4)
SHAPES = [(1, OUTPUTS, 1), (2, OUTPUTS, 2), (1, OUTPUTS, 4)]


def operands():
    """Weights and biases of the first and the second layer; and inputs."""
    rng, units, outputs = torch.Generator().manual_seed(0), sum(WIDTHS), OUTPUTS * len(WIDTHS)
    shapes = ((units, INPUTS), (units,), (OUTPUTS * units,), (outputs,))
    drawn = [torch.randn(ROWS, *shape, dtype=torch.float64, generator=rng) for shape in shapes]
    x = torch.randn(ROWS, SAMPLES, INPUTS, dtype=torch.float64, generator=rng)
    return [tensor.requires_grad_() for tensor in drawn], x


def network(first, its_bias, second, bias, x):
    units = SharedInputs.apply(first, its_bias, x, True)
    return OwnUnits.apply(second, bias, units, SHAPES, True, False)


def one_by_one(first, its_bias, second, bias, x):
    units = (first @ x.mT + its_bias.unsqueeze(2)).relu()
    weights = second.split([OUTPUTS * width for width in WIDTHS], 1)
    pairs = zip(weights, units.split(WIDTHS, 1), WIDTHS, strict=True)
    return torch.cat([w.view(ROWS, OUTPUTS, width) @ h for w, h, width in pairs], 1) + bias.unsqueeze(2)


def test_each_mlp_has_its_own_units():
    parameters, x = operands()
    torch.testing.assert_close(network(*parameters, x), one_by_one(*parameters, x))


def test_the_gradient_is_that_of_each_mlp():
    parameters, x = operands()
    assert torch.autograd.gradcheck(lambda *given: network(*given, x), parameters)


def test_a_layer_in_the_middle_is_rectified_too():
    parameters, x = operands()
    square = [(4, 1, 1), (1, 5, 5)]
    weight, bias = torch.randn(ROWS, 29, dtype=torch.float64), torch.randn(ROWS, 9, dtype=torch.float64)

    def deep(first, its_bias, weight, bias, *last):
        units = SharedInputs.apply(first, its_bias, x, True)
        units = OwnUnits.apply(weight, bias, units, square, True, True)
        return OwnUnits.apply(*last, units, SHAPES, True, False)

    given = (*parameters[:2], weight.requires_grad_(), bias.requires_grad_(), *parameters[2:])
    assert torch.autograd.gradcheck(deep, given)


@pytest.mark.skipif(not compat.has_onednn_product(torch.ones(1)), reason="of CPUs with AVX-512")
def test_large_products_are_the_same_by_another_kernel(monkeypatch):
    parameters, x = operands()
    exact = torch.autograd.grad(network(*parameters, x).square().sum(), parameters)
    monkeypatch.setattr(products, "WORTH_A_CALL", 1)
    single = [tensor.detach().float().requires_grad_() for tensor in parameters]
    found = torch.autograd.grad(network(*single, x.float()).square().sum(), single)
    for one, other in zip(found, exact, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=1e-4)
