import copy

import pytest
import torch

from overparam.errors import ConfigError
from overparam.runs.identity import run_directory
from overparam.runs.summary import read_summary
from overparam.studies.connectivity import mode_connectivity
from overparam.studies.ensembles import ensembles
from overparam.studies.interpolation import average, barrier, recompute_statistics
from overparam.studies.matching import match_weights
from overparam.studies.permutations import hidden_groups, permute
from overparam.training.finished import loss_and_error
from tests.studies.conftest import pair


@pytest.fixture(params=["mlps", "cnns", "resnets"])
def runs(request):
    return request.getfixturevalue(request.param)


def shuffled(net, seed=0):
    rng = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(group.units, generator=rng) for group in hidden_groups(net)]
    return permute(net, orders)


def test_a_loaded_run_has_the_errors_it_was_left_with(runs):
    for run in runs:
        left = read_summary(run_directory(run.cfg))
        loss, error = loss_and_error(run.net, run.test, run.loss)
        assert error == pytest.approx(left["test_error"])
        assert loss == pytest.approx(left["test_loss"], rel=1e-5)


def test_permuting_units_leaves_outputs_alone(runs):
    net, x = runs[0].net, runs[0].test.x[:50]
    moved = shuffled(net)
    assert not all(torch.equal(a, b) for a, b in zip(net.parameters(), moved.parameters(), strict=True))
    torch.testing.assert_close(moved(x), net(x), rtol=1e-4, atol=1e-5)


def test_matching_finds_a_permutation_again(runs):
    net = runs[0].net
    found = match_weights(shuffled(net), net)
    for a, b in zip(net.parameters(), found.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_matching_brings_weights_nearer_and_keeps_the_function(runs):
    first, second = (run.net for run in runs)
    found = match_weights(second, first)

    def distance(net):
        return sum((a - b).square().sum() for a, b in zip(net.parameters(), first.parameters(), strict=True))

    assert distance(found) < distance(second)
    x = runs[0].test.x[:50]
    torch.testing.assert_close(found(x), second(x), rtol=1e-4, atol=1e-5)


def test_barrier_is_the_height_above_the_chord():
    assert barrier({0.0: 1.0, 0.5: 5.0, 1.0: 3.0}) == pytest.approx(3.0)
    assert barrier({0.0: 1.0, 0.5: 1.5, 1.0: 3.0}) == 0.0  # below the chord: the ends say zero


def test_the_ends_of_a_line_are_the_runs(mlps):
    first, second = (run.net for run in mlps)
    x = mlps[0].train.x
    torch.testing.assert_close(average([first, second], [1.0, 0.0], x)(x), first(x))
    torch.testing.assert_close(average([first, second], [0.0, 1.0], x)(x), second(x))


def test_statistics_are_those_of_the_data(cnns):
    run = cnns[0]
    net = recompute_statistics(copy.deepcopy(run.net), run.train.x)
    hidden = net[0](run.train.x)
    torch.testing.assert_close(net[1].running_mean, hidden.mean((0, 2, 3)))
    torch.testing.assert_close(net[1].running_var, hidden.var((0, 2, 3)), rtol=1e-4, atol=1e-6)
    assert not net.training


def test_connectivity_of_a_run_and_its_shuffled_self(runs):
    from dataclasses import replace

    twin = replace(runs[0], net=shuffled(runs[0].net))
    (row,) = mode_connectivity([runs[0], twin], points=5, curve_steps=0)
    assert row["barrier_matched"] == pytest.approx(0, abs=1e-4)
    assert row["barrier_linear"] > 0.05


def test_connectivity_of_independent_runs(mlps):
    (row,) = mode_connectivity(mlps, points=5, curve_steps=60)
    assert row["barrier_linear"] > row["barrier_matched"] >= 0
    assert row["barrier_bezier"] < 0.5 * row["barrier_linear"]


def test_runs_on_different_data_are_no_pair(mlps, tmp_path):
    from dataclasses import replace

    data = replace(mlps[1].train, y=(mlps[1].train.y + 1) % 10)
    with pytest.raises(ConfigError, match=r"different data: fix data\.seed"):
        mode_connectivity([mlps[0], replace(mlps[1], train=data)])


def test_an_ensemble_of_one_network_twice_gains_nothing(runs):
    (row,) = ensembles([runs[0], runs[0]])
    assert row["gain"] == 0
    (row,) = ensembles(runs, matched=True)
    with torch.no_grad():
        mean = sum(run.net(run.test.x).softmax(1) for run in runs)
    assert row["error_ensemble"] == pytest.approx((mean.argmax(1) != runs[0].test.y).double().mean().item())
    assert row["gain"] == pytest.approx(row["error_member"] - row["error_ensemble"])


def test_linear_networks_are_the_convex_control(tmp_path):
    lazy = ("model=linear", "model.init=normal", "trainer.max_steps=20")
    (row,) = mode_connectivity(pair(tmp_path, *lazy), points=5, curve_steps=2)
    # The loss is convex in the weights: the line is never above its chord, and there is nothing to match.
    assert row["barrier_linear"] == pytest.approx(0, abs=1e-6)
    assert row["barrier_matched"] == row["barrier_linear"]
