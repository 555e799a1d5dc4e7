"""Kernel change, effective model complexity and weight averaging: studies of how a training went."""

import copy
from dataclasses import replace

import pytest
import torch

from overparam.data.module import Split
from overparam.errors import ConfigError
from overparam.measures.subject import Subject
from overparam.measures.tangent_kernel import tangent_kernel_change
from overparam.studies.complexity import effective_model_complexity
from overparam.studies.kernel_change import kernel_change
from overparam.studies.retraining import retrain
from overparam.studies.weight_averaging import weight_averaging


def test_kernel_change_is_the_measure_where_there_is_no_batch_norm(mlps):
    run = mlps[0]
    measured = tangent_kernel_change(
        Subject(run.net, run.new_net(), run.train, run.test, run.loss), samples=20
    )
    (row,) = kernel_change([run], samples=20)
    assert row["change_from_init"] == pytest.approx(measured["kernel_change"])
    assert row["change_since_last"] == row["change_from_init"]
    assert row["alignment"] == pytest.approx(measured["kernel_alignment"])
    assert row["alignment_init"] == pytest.approx(measured["kernel_alignment_init"])
    assert row["steps"] == 60


def test_kernel_changes_follow_the_checkpoints_and_ignore_scale(mlps):
    run = mlps[0]
    still = replace(run, net=run.new_net())
    scaled = copy.deepcopy(run.net)
    with torch.no_grad():
        scaled.layers[-1].weight *= 3  # of the kernel's blocks all but the readout's grow ninefold
    rows = kernel_change([still, run, replace(run, net=scaled)], samples=10)
    assert rows[0]["change_from_init"] == 0
    assert rows[0]["distance_from_init"] == pytest.approx(0, abs=1e-12)
    assert rows[1]["change_since_last"] == rows[1]["change_from_init"] > 0.1
    assert rows[2]["change_since_last"] > 2
    assert rows[2]["distance_from_init"] < 1


def test_kernel_change_of_a_resnet_recomputes_statistics(resnets):
    run = resnets[0]
    stale = copy.deepcopy(run.net)
    for module in stale.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.fill_(100.0)
    (row,), (again,) = (kernel_change([replace(run, net=net)], samples=5) for net in (run.net, stale))
    assert again["change_from_init"] == pytest.approx(row["change_from_init"], rel=1e-5)


def stand_in(run, n, error):
    """A run on n samples of which a share `error` is misclassified."""
    x = torch.zeros(n, 2)
    x[:, 0] = 1
    y = (torch.arange(n) < round(error * n)).long()
    net = torch.nn.Sequential(torch.nn.Linear(2, 2, bias=False))
    net[0].weight.data.copy_(torch.eye(2))
    split = Split(x, y, torch.zeros(n, dtype=torch.bool))
    return replace(run, net=net, train=split)


def test_effective_model_complexity_is_of_the_mean_over_seeds(mlps):
    def emc(*cells):
        return effective_model_complexity([stand_in(mlps[0], n, error) for n, error in cells])[0]

    row = emc((10, 0.0), (20, 0.0), (20, 0.15), (40, 0.05), (40, 0.2), (80, 0.4))
    assert (row["emc"], row["next_n"]) == (20, 40)
    assert row["params_per_emc"] == mlps[0].parts.params / 20
    assert emc((10, 0.1), (20, 0.0))["next_n"] is None  # at most 0.1 is fitted
    row = emc((10, 0.2), (20, 0.0))
    assert (row["emc"], row["next_n"], row["params_per_emc"]) == (0, 10, None)


def test_one_size_has_no_effective_model_complexity(mlps):
    with pytest.raises(ConfigError, match=r"differ in data\.n_train"):
        effective_model_complexity(mlps)


@pytest.mark.parametrize("kind", ["mlps", "resnets"])
def test_weights_are_averaged_over_the_last_part_of_the_run(kind, request):
    run = request.getfixturevalue(kind)[0]
    seen = []
    retrain(run, run.new_net(), steps=[30, 45, 60], call=lambda net: seen.append(copy.deepcopy(net).eval()))
    with torch.no_grad():
        for name, p in run.net.named_parameters():
            torch.testing.assert_close(dict(seen[-1].named_parameters())[name], p)
        mean = copy.deepcopy(run.net)
        for name, p in mean.named_parameters():
            p.copy_(torch.stack([dict(net.named_parameters())[name] for net in seen]).mean(0))
    from overparam.studies.interpolation import recompute_statistics
    from overparam.training.finished import loss_and_error

    (row,) = weight_averaging([run], start=0.5, points=3)
    expected = loss_and_error(recompute_statistics(mean, run.train.x), run.train, run.loss)[0]
    assert row["loss_average"] == pytest.approx(expected, rel=1e-4)
    assert row["gain"] == pytest.approx(row["error_last"] - row["error_average"])


def test_averaging_needs_a_part_of_the_run(mlps):
    with pytest.raises(ConfigError, match=r"start must be in \[0, 1\)"):
        weight_averaging(mlps[:1], start=1.0)
