import itertools
import math

import pytest
import torch
from torch import nn

from overparam.measures.bounds import bounds
from overparam.measures.margins import margins, output_margins, spectral_norms
from overparam.measures.memorization import memorization, noisy_label_error
from overparam.measures.norms import norms, path_norm
from overparam.models.cnn import CNN
from overparam.models.mlp import MLP


def dense_map(apply, shape):
    """The matrix of a linear map, one unit input at a time."""
    basis = torch.eye(math.prod(shape), dtype=torch.float64).view(-1, *shape)
    return apply(basis).flatten(1).T


def test_norms_are_those_of_all_parameters_and_of_their_change(subject):
    row = norms(subject)
    theta = torch.cat([p.detach().flatten() for p in subject.net.parameters()])
    start = torch.cat([p.detach().flatten() for p in subject.initial.parameters()])
    assert row["weight_norm"] == pytest.approx(theta.norm().item(), rel=1e-12)
    assert row["distance_from_init"] == pytest.approx((theta - start).norm().item(), rel=1e-12)
    assert row["relative_distance"] == pytest.approx(((theta - start).norm() / start.norm()).item())


def test_path_norm_sums_over_every_path():
    net = MLP((2,), 2, width=3, depth=2).double()
    for parameter in net.parameters():
        nn.init.normal_(parameter)
    w1, b1, w2, b2, w3, b3 = (p.detach() for p in net.parameters())
    total = b3.square().sum()
    for i, j, k in itertools.product(range(2), range(3), range(3)):
        total += ((w1[j, i] * w2[k, j]) ** 2 * w3[:, k] ** 2).sum()
    for j, k in itertools.product(range(3), range(3)):
        total += ((b1[j] * w2[k, j]) ** 2 * w3[:, k] ** 2).sum()
    for k in range(3):
        total += (b2[k] ** 2 * w3[:, k] ** 2).sum()
    assert path_norm(net, (2,)) == pytest.approx(total.sqrt().item(), rel=1e-12)


def test_path_norm_ignores_rescaling_of_units(mlp):
    before = path_norm(mlp.net, (5,))
    first, second = [m for m in mlp.net.modules() if isinstance(m, nn.Linear)][:2]
    with torch.no_grad():
        first.weight[0] *= 3
        first.bias[0] *= 3
        second.weight[:, 0] /= 3
    assert path_norm(mlp.net, (5,)) == pytest.approx(before, rel=1e-12)


def test_sizes_do_not_depend_on_the_parametrization():
    torch.manual_seed(0)
    scaled = MLP((4,), 3, width=6, depth=2, parametrization="ntk").double()
    plain = MLP((4,), 3, width=6, depth=2).double()
    with torch.no_grad():
        for ours, theirs in zip(plain.layers, scaled.layers, strict=True):
            if isinstance(ours, nn.Linear):
                nn.init.normal_(theirs.bias)
                ours.weight.copy_(theirs.scale * theirs.weight)
                ours.bias.copy_(theirs.bias_scale * theirs.bias)
    assert path_norm(scaled, (4,)) == pytest.approx(path_norm(plain, (4,)), rel=1e-12)
    assert spectral_norms(scaled, (4,)) == pytest.approx(spectral_norms(plain, (4,)), rel=1e-12)


def test_path_norm_takes_batch_norm_for_the_affine_map_it_is():
    torch.manual_seed(0)
    plain, normed = MLP((4,), 2, width=6).double(), MLP((4,), 2, width=6, norm="batch").double()
    normed(3 * torch.randn(50, 4, dtype=torch.float64) + 1)
    normed.eval()
    with torch.no_grad():
        (fc, bn), readout = normed.layers[1:3], normed.layers[-1]
        nn.init.normal_(bn.weight)
        nn.init.normal_(bn.bias)
        scale = bn.weight / (bn.running_var + bn.eps).sqrt()
        plain.layers[1].weight.copy_(scale[:, None] * fc.weight)
        plain.layers[1].bias.copy_(scale * (fc.bias - bn.running_mean) + bn.bias)
        plain.layers[-1].load_state_dict(readout.state_dict())
        # Before folding, the biases of the two layers are separate paths: take the first one away.
        fc.bias.zero_()
        plain.layers[1].bias.copy_(-scale * bn.running_mean + bn.bias)
    assert path_norm(normed, (4,)) == pytest.approx(path_norm(plain, (4,)), rel=1e-10)


def test_measuring_changes_no_weight_and_no_statistic(subject):
    before = {k: v.clone() for k, v in subject.net.state_dict().items()}
    norms(subject), margins(subject), memorization(subject)
    assert all(torch.equal(before[k], v) for k, v in subject.net.state_dict().items())


def test_margins_by_hand():
    outputs = torch.tensor([[2.0, 1.0, -1.0], [0.0, 3.0, 5.0]])
    assert output_margins(outputs, torch.tensor([0, 1])).tolist() == [1.0, -2.0]


@pytest.mark.parametrize("stride", [1, 2])
def test_spectral_norm_of_a_convolution_is_that_of_its_matrix(stride):
    torch.manual_seed(stride)
    conv = nn.Conv2d(2, 3, 3, stride=stride, padding=1, bias=False).double()
    dense = dense_map(conv, (2, 5, 5))
    (found,) = spectral_norms(conv, (2, 5, 5), iterations=1000)
    assert found == pytest.approx(torch.linalg.matrix_norm(dense, 2).item(), rel=1e-5)


def test_spectral_product_bounds_the_slope_of_a_network_without_skips():
    torch.manual_seed(0)
    net = CNN((1, 4, 4), 3, width=2, stages=2).double()
    net(torch.randn(64, 1, 4, 4, dtype=torch.float64))
    net.eval()
    product = math.prod(spectral_norms(net, (1, 4, 4), iterations=300))
    x, y = torch.randn(2, 200, 1, 4, 4, dtype=torch.float64)
    slopes = (net(x) - net(y)).norm(dim=1) / (x - y).flatten(1).norm(dim=1)
    assert slopes.max() <= product
    assert len(spectral_norms(net, (1, 4, 4))) == 5  # two convolutions, two BatchNorms, the readout


def test_normalized_margin_ignores_the_scale_of_the_readout(mlp):
    net = mlp.net.layers
    with torch.no_grad():
        for layer in net:
            if isinstance(layer, nn.Linear):
                layer.bias.zero_()
    before = margins(mlp)["normalized_margin_p10"]
    with torch.no_grad():
        net[-1].weight *= 7
    assert margins(mlp)["normalized_margin_p10"] == pytest.approx(before, rel=1e-9)


def test_noisy_test_error_is_the_error_against_flipped_labels():
    torch.manual_seed(0)
    y, prediction = torch.randint(10, (200_000,)), torch.randint(10, (200_000,))
    prediction = torch.where(torch.rand(len(y)) < 0.7, y, prediction)
    noisy = torch.where(torch.rand(len(y)) < 0.2, (y + torch.randint(1, 10, y.shape)) % 10, y)
    clean_error = (prediction != y).double().mean().item()
    expected = (prediction != noisy).double().mean().item()
    assert noisy_label_error(clean_error, 0.2, 10) == pytest.approx(expected, abs=0.004)
    assert noisy_label_error(0.0, 0.2, 10) == pytest.approx(0.2)
    assert noisy_label_error(0.9, 0.2, 10) == pytest.approx(0.9)  # chance stays chance


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.9])
def test_noisy_test_error_is_exact_over_all_flips(rate):
    """Every flip of every label, weighted by its probability: e' = p + (1 - p K / (K - 1)) e, however errors lie."""
    y, prediction = torch.tensor([0, 0, 0, 1, 2, 3]), torch.tensor([0, 0, 1, 2, 0, 3])
    error = (prediction != y).double().mean().item()
    flips = [(prediction != (y + shift) % 4).double().mean().item() for shift in range(1, 4)]
    expected = (1 - rate) * error + rate * sum(flips) / 3
    assert noisy_label_error(error, rate, 4) == pytest.approx(expected, abs=1e-12)
    assert noisy_label_error(error, rate, 4) == pytest.approx(rate + (1 - rate * 4 / 3) * error, abs=1e-12)


def test_memorization_counts_the_wrong_labels_predicted(subject):
    row = memorization(subject)
    fitted = subject.net(subject.train.x).argmax(1) == subject.train.y
    assert row["noise_fitted"] == pytest.approx(fitted[subject.train.noisy].double().mean().item())


def test_bounds_of_a_network_by_hand(mlp):
    row = bounds(mlp)
    params = 5 * 7 + 7 + 7 * 7 + 7 + 7 * 3 + 3
    assert row["bound_parameters"] == pytest.approx(math.sqrt(params / 24))
    assert row["bound_vc"] == pytest.approx(math.sqrt(params * 3 * math.log2(params) / 24))


def test_spectral_bound_of_one_layer_by_hand():
    from tests.measures.conftest import subject_of

    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 3, bias=False)).double()
    subject = subject_of(net, (4,))
    subject.train.y.copy_(net(subject.train.x).argmax(1))
    weight = net[0].weight.detach()
    margin = output_margins(net(subject.train.x), subject.train.y).detach().quantile(0.1)
    radius = subject.train.x.norm(dim=1).max()
    # For one layer the spectral norm cancels: max ||x|| sum_j ||w_j|| / (margin sqrt(n)).
    expected = radius * weight.norm(dim=1).sum() / (margin * math.sqrt(24))
    assert bounds(subject)["bound_spectral"] == pytest.approx(expected.item())
