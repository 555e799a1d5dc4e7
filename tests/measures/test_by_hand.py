"""Every column of every measure of configs/measures/ against a recomputation that shares nothing with the lab."""

import copy
import itertools
import math
import time

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from overparam.data.module import Split
from overparam.measures.cost import cost
from overparam.measures.subject import Subject
from overparam.models.linear import Linear
from overparam.models.mlp import MLP
from overparam.training.evaluation import evaluate
from overparam.training.objective import cross_entropy, mse
from tests.conftest import CONFIGS
from tests.measures.by_hand import BY_HAND, Trained

LOSSES = {"cross_entropy": cross_entropy, "mse": mse}
TIMES = {"latency_ms", "throughput"}  # of a clock, that a test turns
MEMORY = {"step_memory_mb"}
# Estimates: of eigsh, and of an ascent, which ends where it hardly rises, to 1e-4; the others to float rounding and
# that of central differences.
LOOSE = {
    "hessian_top": 1e-4,
    "hessian_trace": 1e-6,
    "adaptive_sharpness": 1e-4,
    "feature_effective_rank": 1e-6,
    "feature_rank_share": 1e-6,
}


def samples(n: int, seed: int, noise: float) -> Split:
    """Three classes in five dimensions by a linear rule; a share of the labels moved to the next class."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 5, generator=rng, dtype=torch.float64)
    y = x[:, :3].argmax(1)
    noisy = torch.rand(n, generator=rng) < noise
    return Split(x, torch.where(noisy, (y + 1) % 3, y), noisy)


def train(net: nn.Module, data: Split, loss, steps: int) -> nn.Module:
    optimizer = torch.optim.Adam(net.parameters(), 0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(net(data.x), data.y).mean().backward()
        optimizer.step()
    return net.eval()


def arrays(net: nn.Module):
    layers = [module for module in net.modules() if isinstance(module, nn.Linear)]
    return [(layer.weight.detach().numpy().copy(), layer.bias.detach().numpy().copy()) for layer in layers]


@pytest.fixture(scope="module", params=list(LOSSES))
def compared(request):
    """What all measures say of a trained network, and the same network as arrays."""
    loss, data = LOSSES[request.param], samples(20, 0, noise=0.25)
    test, held = samples(30, 1, noise=0.0), samples(13, 2, noise=0.25)
    torch.manual_seed(0)
    net, line = MLP((5,), 3, width=6, depth=2).double(), Linear((5,), 3, init="normal").double()
    with torch.no_grad():
        net.layers[1].bias[0] = -30.0  # a unit that is dead
    subjects = []
    for each, steps in ((net, 60), (line, 20)):
        initial = copy.deepcopy(each).eval()
        train(each, data, loss, steps)
        subjects.append(
            Subject(
                *(each, initial, data, test, loss, held),
                evaluate=lambda split, size, each=each: evaluate(each, split, loss, size),
            )
        )
    row = {}
    for path in sorted((CONFIGS / "measures").glob("*.yaml")):
        for name, node in OmegaConf.load(path).items():
            knobs = {key: value for key, value in node.items() if key != "at"}
            if name == "hessian":
                knobs["trace_products"] = 300  # as many as parameters: exact
            if name == "adaptive_sharpness":
                knobs["radius"] = 0.05  # the dead unit stays dead: its return is another maximum
            torch.manual_seed(0)
            row |= instantiate(knobs)(subjects[1 if name == "min_norm" else 0])
    splits = {"x": data.x, "y": data.y, "noisy": data.noisy, "test_x": test.x, "test_y": test.y}
    splits |= {"held_x": held.x, "held_y": held.y}
    case = Trained(
        arrays(net),
        arrays(subjects[0].initial),
        **{key: value.numpy() for key, value in splits.items()},
        loss=request.param,
        linear=(arrays(line), arrays(subjects[1].initial)),
    )
    return row, case, subjects[0]


def test_every_column_has_a_recomputation(compared):
    assert set(compared[0]) == set(BY_HAND) | TIMES | MEMORY


@pytest.mark.parametrize("column", sorted(BY_HAND))
def test_a_column_is_what_its_definition_says(compared, column):
    row, case, _ = compared
    expected = BY_HAND[column](case)
    assert (
        math.isfinite(expected) or column == "bound_spectral"
    )  # which has none where the margin is negative
    assert row[column] == pytest.approx(expected, rel=LOOSE.get(column, 1e-9), abs=1e-12, nan_ok=True)


def test_the_network_is_one_on_which_columns_can_differ(compared):
    row, case, _ = compared
    assert 0 < row["noise_fitted"] <= 1
    assert 0 < row["dead_units"] < 0.5
    assert 0 < row["held_out_error"] < 1
    assert row["kernel_change"] > 0.01
    assert 0 < sum(case.noisy) < len(case.noisy)


def test_times_are_medians_of_a_clock(compared, monkeypatch):
    """A pass takes as many seconds as its number; two warm up, and the median of the next five is the fifth."""
    passes = itertools.count(1)
    ticks = itertools.chain.from_iterable((0.0, float(next(passes))) for _ in itertools.count())
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    row = cost(compared[2], batch_size=16, repeats=5)
    assert row["latency_ms"] == 5 * 1000  # passes 3 to 7
    assert row["throughput"] == 16 / 12  # passes 10 to 14


def test_memory_is_what_the_profiler_of_torch_sees(compared):
    subject = compared[2]
    x, y = subject.train.x.repeat(7, 1)[:128], subject.train.y.repeat(7)[:128]
    parameters = list(subject.net.parameters())
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as seen:
        gradients = torch.autograd.grad(subject.loss(subject.net(x), y).mean(), parameters)
    del gradients
    changes = [e.nbytes() for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
    peak = max(np.cumsum(changes)) / 2**20
    assert compared[0]["step_memory_mb"] == pytest.approx(peak, rel=0.02)
