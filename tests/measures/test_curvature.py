import pytest
import torch
from torch.func import functional_call

from overparam.measures.curvature import hessian, sam_sharpness
from overparam.measures.subject import Subject
from overparam.measures.tangent_kernel import centered_alignment, tangent_kernel, tangent_kernel_change
from overparam.models.linear import Linear
from overparam.training.objective import cross_entropy, mse
from tests.measures.conftest import split


def flat_loss(subject):
    shapes = {k: p.shape for k, p in subject.net.named_parameters()}
    start = torch.cat([p.detach().flatten() for p in subject.net.parameters()])

    def loss(theta):
        pieces = theta.split([shape.numel() for shape in shapes.values()])
        values = {k: piece.view(shape) for (k, shape), piece in zip(shapes.items(), pieces, strict=True)}
        return subject.mean_loss(functional_call(subject.net, values, (subject.train.x,)), subject.train.y)

    return loss, start


@pytest.mark.parametrize("loss", [cross_entropy, mse])
def test_top_eigenvalue_and_trace_are_those_of_the_dense_hessian(subject, loss):
    subject = Subject(subject.net, subject.initial, subject.train, subject.test, loss)
    dense = torch.autograd.functional.hessian(*flat_loss(subject))
    torch.manual_seed(0)
    row = hessian(subject, trace_products=300)
    eigenvalues = torch.linalg.eigvalsh(dense)
    assert row["hessian_top"] == pytest.approx(eigenvalues[-1].item(), rel=1e-3)
    assert row["hessian_trace"] == pytest.approx(dense.trace().item(), rel=0.02)


def test_hessian_of_linear_regression_is_the_gram_matrix():
    data = split((4,), n=30)
    target = torch.randn(30, 1, dtype=torch.float64)
    train = type(data)(data.x, target, data.noisy)
    net = Linear((4,), 1, bias=False).double()
    row = hessian(Subject(net, net, train, train, mse), trace_products=9)
    gram = 2 * data.x.T @ data.x / 30
    assert row["hessian_top"] == pytest.approx(torch.linalg.eigvalsh(gram)[-1].item(), rel=1e-4)


def test_sam_sharpness_is_the_rise_along_the_gradient(subject):
    loss, start = flat_loss(subject)
    gradient = torch.func.grad(loss)(start)
    expected = loss(start + 0.1 * gradient / gradient.norm()) - loss(start)
    assert sam_sharpness(subject, radius=0.1)["sam_sharpness"] == pytest.approx(expected.item(), rel=1e-9)


def test_tangent_kernel_is_the_product_of_jacobians(subject):
    x = subject.train.x[:6]
    parameters = list(subject.net.parameters())
    outputs = subject.net(x)
    kernel = torch.zeros(6, 6, dtype=torch.float64)
    for k in range(3):
        rows = [
            torch.cat(
                [g.flatten() for g in torch.autograd.grad(outputs[i, k], parameters, retain_graph=True)]
            )
            for i in range(6)
        ]
        kernel += torch.stack(rows) @ torch.stack(rows).T / 3
    torch.testing.assert_close(tangent_kernel(subject.net, x, chunk=4), kernel)


def test_kernel_of_a_linear_model_never_changes():
    data = split((4,))
    net, start = Linear((4,), 3).double(), Linear((4,), 3, init="normal").double()
    row = tangent_kernel_change(Subject(net, start, data, data, cross_entropy))
    assert row["kernel_change"] == pytest.approx(0, abs=1e-12)


def test_alignment_is_one_with_itself_and_zero_with_a_centered_orthogonal_kernel():
    y = torch.tensor([[1.0], [1.0], [-1.0], [-1.0]], dtype=torch.float64)
    z = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]], dtype=torch.float64)
    assert centered_alignment(y @ y.T, 3 * y @ y.T) == pytest.approx(1)
    assert centered_alignment(y @ y.T, z @ z.T) == pytest.approx(0)
    assert centered_alignment(y @ y.T + 5, y @ y.T) == pytest.approx(1)  # a constant shift centers away
