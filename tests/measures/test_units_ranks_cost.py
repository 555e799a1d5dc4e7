import math

import pytest
import torch
from torch import nn

from overparam.measures.cost import cost, peak_bytes
from overparam.measures.rank import effective_rank, ranks, stable_rank
from overparam.measures.units import unit_activity, units
from overparam.models.mlp import MLP
from tests.measures.conftest import subject_of


def test_ranks_of_known_spectra():
    assert effective_rank(torch.ones(5)) == pytest.approx(5)
    assert effective_rank(torch.tensor([1.0, 0.0, 0.0])) == pytest.approx(1)
    assert effective_rank(torch.tensor([3.0, 1.0])) == pytest.approx(
        math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    )
    assert stable_rank(torch.tensor([2.0, 1.0, 1.0])) == pytest.approx(1.5)


def test_features_are_what_the_readout_is_given(mlp):
    hidden = mlp.net.layers[:-1](mlp.train.x).detach()
    values = torch.linalg.svdvals(hidden - hidden.mean(0))
    assert ranks(mlp)["feature_effective_rank"] == pytest.approx(effective_rank(values))
    assert ranks(mlp)["feature_rank_share"] == pytest.approx(effective_rank(values) / 7)


def test_duplicated_units_add_no_rank():
    torch.manual_seed(0)
    net = MLP((5,), 3, width=6).double()
    subject = subject_of(net, (5,))
    with torch.no_grad():
        for tensor in (net.layers[1].weight, net.layers[1].bias):
            tensor.copy_(tensor[:1].expand_as(tensor))
    assert ranks(subject)["feature_effective_rank"] == pytest.approx(1, abs=1e-5)


def test_dead_units_are_those_that_never_fire(mlp):
    with torch.no_grad():
        mlp.net.layers[1].bias[:3] = -100.0
    row = units(mlp)
    first, second = unit_activity(mlp.net, mlp.train.x)
    hidden = mlp.net.layers[:3](mlp.train.x)
    assert torch.equal(first[:, :, 0], hidden > 0)
    alive = int((hidden > 0).any(0).sum() + second.any(0).any(1).sum())
    assert row["dead_units"] == pytest.approx(1 - alive / 14)
    assert row["dead_units"] >= 3 / 14
    assert row["used_units"] == alive  # 24 samples: once is more than 1%


def test_functional_relus_are_seen(resnet):
    # Two blocks of two ReLUs, over 2, 2, 2 and 4 channels.
    assert [layer.shape[1] for layer in unit_activity(resnet.net, resnet.train.x)] == [2, 2, 2, 4]


def test_networks_without_relu_have_no_dead_units():
    subject = subject_of(MLP((5,), 3, width=4, activation="tanh").double(), (5,))
    assert math.isnan(units(subject)["dead_units"])


def test_flops_of_an_mlp_by_hand(mlp):
    row = cost(mlp, batch_size=32, repeats=2)
    assert row["flops"] == 2 * (5 * 7 + 7 * 7 + 7 * 3)
    assert row["latency_ms"] > 0
    assert row["throughput"] > 0


def test_flops_of_a_convolution_by_hand():
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * 36, 3)).double()
    row = cost(subject_of(net, (1, 6, 6)), repeats=1)
    assert row["flops"] == 2 * (36 * 9 * 4) + 2 * (144 * 3)


def test_peak_memory_counts_what_is_alive_together():
    def work():
        a = torch.empty(1000, dtype=torch.float64)  # 8000
        b = a + 1  # 16000
        del a
        c = b.view(10, 100) * 2  # 16000 again: a is gone, the view is free
        del b, c

    assert peak_bytes(work) == 16000


def test_step_memory_grows_with_the_batch(mlp):
    assert (
        cost(mlp, batch_size=256, repeats=1)["step_memory_mb"]
        > 1.5 * (cost(mlp, batch_size=64, repeats=1)["step_memory_mb"])
    )
