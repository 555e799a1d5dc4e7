import copy
import math

import pytest
import torch

from overparam.data.module import Split
from overparam.exact.gradient_descent import descent_path, min_norm_solution
from overparam.measures.min_norm import min_norm
from overparam.measures.subject import Subject
from overparam.models.linear import Linear
from overparam.runs.identity import run_directory
from overparam.training.finished import load_run
from overparam.training.objective import mse
from overparam.training.run import train
from tests.conftest import compose_config


def linear_subject(bias, loss=mse):
    torch.manual_seed(0)
    x, y = torch.randn(6, 15, dtype=torch.float64), torch.randn(6, 2, dtype=torch.float64)
    data = Split(x, y, torch.zeros(6, dtype=torch.bool))
    start = Linear((15,), 2, bias=bias, init="normal").double()
    return Subject(copy.deepcopy(start), start, data, data, loss)


@pytest.mark.parametrize("bias", [False, True])
def test_distances_by_hand(bias):
    subject = linear_subject(bias)
    x = torch.cat([subject.train.x, torch.ones(6, 1)], dim=1) if bias else subject.train.x
    (layer,) = (m for m in subject.net.modules() if isinstance(m, torch.nn.Linear))
    start = torch.cat([p.detach().view(2, -1) for p in layer.parameters()], dim=1).T
    least, nearest = min_norm_solution(x, subject.train.y), min_norm_solution(x, subject.train.y, start)
    for wanted, other, key in (
        (least, nearest, "min_norm_distance"),
        (nearest, least, "nearest_interpolator_distance"),
    ):
        with torch.no_grad():
            layer.weight.copy_(wanted[:15].T)
            if bias:
                layer.bias.copy_(wanted[15])
        row = min_norm(subject)
        assert row.pop(key) == pytest.approx(0, abs=1e-12)
        (distance,) = row.values()
        assert distance == pytest.approx(((wanted - other).norm() / other.norm()).item())


def test_networks_of_more_layers_have_no_closed_form(mlp):
    assert all(math.isnan(value) for value in min_norm(mlp).values())


@pytest.mark.parametrize("init", ["zero", "normal"])
def test_a_trained_run_is_on_the_closed_form_path_and_ends_nearest_to_its_start(tmp_path, init):
    """The command's own gradient descent against (1 - lr l)^t, from zero and from elsewhere."""
    sizes = [f"data.{key}=12" for key in ("n_train", "pool_size", "batch_size")]
    fixed = ["experiment=min_norm", "optimizer.momentum=0", f"model.init={init}", "data.input_dim=30", *sizes]
    fixed += ["logger=local", "trainer.accelerator=cpu", f"paths.logs={tmp_path}", "optimizer.lr=0.05"]
    for steps in (7, 1000):
        cfg = compose_config(*fixed, f"trainer.max_steps={steps}")
        summary = train(cfg)
        run = load_run(run_directory(cfg))
        start, end = (next(net.parameters()).detach()[0] for net in (run.new_net(), run.net))
        # The loss is the mean of squares: its gradient is twice that of ||X b - y||^2 / 2n.
        (closed,) = descent_path(run.train.x.flatten(1), run.train.y[:, 0], 2 * 0.05, [steps], start)
        torch.testing.assert_close(end, closed, rtol=0, atol=1e-10)
    assert summary["nearest_interpolator_distance"] < 1e-9
    assert (summary["min_norm_distance"] < 1e-9) == (init == "zero")
