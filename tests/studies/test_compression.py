import pytest
import torch

from overparam.models.mlp import MLP
from overparam.studies.compression import compression, low_rank, quantized
from overparam.training.finished import loss_and_error


def net_and_weights():
    torch.manual_seed(0)
    net = MLP((6,), 3, width=8, depth=2).double()
    return net, [p.detach() for p in net.parameters() if p.ndim > 1]


def test_low_rank_is_the_best_approximation():
    net, weights = net_and_weights()
    copied, numbers = low_rank(net, 0.25)
    found = [p.detach() for p in copied.parameters() if p.ndim > 1]
    for before, after in zip(weights[:2], found[:2], strict=True):
        s = torch.linalg.svdvals(before)
        assert torch.linalg.matrix_rank(after) == 2
        assert (before - after).norm().item() == pytest.approx(s[2:].norm().item())  # Eckart & Young
    assert torch.equal(weights[2], found[2])
    assert numbers == 2 * (8 + 6) + 2 * (8 + 8) + 3 * 8


def test_quantized_weights_are_the_nearest_of_few_levels():
    net, weights = net_and_weights()
    found = [p.detach() for p in quantized(net, 3).parameters() if p.ndim > 1]
    for before, after in zip(weights, found, strict=True):
        step = before.abs().amax(1, keepdim=True) / 3
        assert ((before - after).abs() <= step / 2 + 1e-12).all()
        levels = after / step
        torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-9)
        assert levels.abs().max().item() == pytest.approx(3)
    fine = [p.detach() for p in quantized(net, 24).parameters() if p.ndim > 1]
    assert all((a - b).abs().max() < 1e-6 for a, b in zip(weights, fine, strict=True))


@pytest.mark.parametrize("kind", ["mlps", "cnns", "resnets"])
def test_sizes_and_errors_of_every_method(kind, request):
    run = request.getfixturevalue(kind)[0]
    rows = compression([run], kept=[1.0, 0.1], rank_shares=[1.0, 0.2], bits=[16, 2])
    dense, *rest = rows
    params = sum(p.numel() for p in run.net.parameters())
    assert dense["size_kb"] * 8192 == 32 * params
    assert dense["test_error"] == loss_and_error(run.net, run.test, run.loss)[1]
    for whole, small in zip(rest[::2], rest[1::2], strict=True):
        assert whole["method"] == small["method"]
        assert small["size_share"] < whole["size_share"]
        assert small["test_error"] > whole["test_error"]
        # Nothing is lost, but BatchNorm statistics are those of the final weights.
        assert whole["test_error"] == pytest.approx(dense["test_error"], abs=0 if kind == "mlps" else 0.05)
    pruned, weights = rest[1], sum(p.numel() for p in run.net.parameters() if p.ndim > 1)
    kept = sum(round(0.1 * p.numel()) for p in run.net.parameters() if p.ndim > 1)
    assert pruned["size_kb"] * 8192 == pytest.approx(32 * (params - weights + kept) + weights, rel=0.02)
