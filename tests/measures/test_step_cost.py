"""The planned cost of a step against arithmetic, and against the memory a real step takes."""

import json
from functools import partial

import pytest
import torch

from overparam.measures.step_cost import step_cost
from overparam.models.cnn import CNN
from overparam.models.mlp import MLP
from overparam.models.preact_resnet import PreActResNet
from overparam.training.objective import cross_entropy, mse

ADAM = partial(torch.optim.Adam, lr=0.1)
SGD = partial(torch.optim.SGD, lr=0.1)


def made_by(optimizer):
    return lambda net: optimizer(list(net.parameters()))


def mlp(width):
    return partial(MLP, (64,), 10, width)


def test_flops_of_an_mlp_by_hand():
    """2 per multiply-add; backward is as much again for the weights, and for the inputs of all but layer 1."""
    cost = step_cost(mlp(50), cross_entropy, made_by(SGD), (64,), 10, batch_size=7)
    assert cost.flops == 2 * 7 * (2 * 64 * 50 + 3 * 50 * 10)


def test_flops_are_proportional_to_the_batch():
    costs = [
        step_cost(partial(CNN, (1, 8, 8), 10, 4), cross_entropy, made_by(SGD), (1, 8, 8), 10, batch_size=size)
        for size in (3, 6)
    ]
    assert costs[1].flops == 2 * costs[0].flops


@pytest.mark.parametrize(("optimizer", "copies"), [(SGD, 2), (partial(SGD, momentum=0.9), 3), (ADAM, 4)])
def test_memory_of_a_huge_network_on_a_tiny_batch_is_weights_gradients_and_state(optimizer, copies):
    width = 10**6
    cost = step_cost(mlp(width), cross_entropy, made_by(optimizer), (64,), 10, batch_size=1)
    params = 65 * width + 10 * width + 10
    assert copies <= cost.memory_bytes / (4 * params) < copies + 2  # an update creates copies of the weights


def measured_peak(net, optimizer, x, y, precision, tmp_path):
    """Bytes live at the peak of a real step, by PyTorch's profiler, above those before network and batch."""
    updates = optimizer(net.parameters())

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            loss = cross_entropy(net(x), y).mean()
        loss.backward()
        updates.step()
        updates.zero_grad()

    step()  # makes the optimizer's state
    held = [*net.parameters(), *net.buffers(), x, y]
    held += [t for state in updates.state.values() for t in state.values() if torch.is_tensor(t)]
    with torch.profiler.profile(profile_memory=True) as profile:
        before = torch.empty(1)  # an event to count from
        step()
    profile.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    totals = [(e["ts"], e["args"]["Total Allocated"]) for e in events if e["name"] == "[memory]"]
    del before
    totals = [total for _, total in sorted(totals)]
    return sum(t.untyped_storage().nbytes() for t in held) + max(totals) - totals[0]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("name", ["mlp", "mlp, deep", "cnn", "resnet"])
def test_planned_memory_is_what_a_real_step_takes(name, precision, tmp_path):
    build, shape, size = {
        "mlp": (partial(MLP, (1, 8, 8), 10, 512), (1, 8, 8), 1200),
        "mlp, deep": (partial(MLP, (1, 8, 8), 10, 300, depth=5, norm="batch"), (1, 8, 8), 400),
        "cnn": (partial(CNN, (3, 32, 32), 10, 8), (3, 32, 32), 32),
        "resnet": (partial(PreActResNet, (3, 32, 32), 10, 8), (3, 32, 32), 16),
    }[name]
    planned = step_cost(
        build, cross_entropy, made_by(ADAM), shape, 10, size, precision=precision
    ).memory_bytes
    x, y = torch.randn(size, *shape), torch.randint(10, (size,))
    measured = measured_peak(build(), ADAM, x, y, precision, tmp_path)
    # Measured: 2% for resnet, 0 to 0.1% for the others; but 8% where bfloat16 convolutions copy, as CPUs differ in.
    copies = precision == "bf16-mixed" and name in ("cnn", "resnet")
    assert planned == pytest.approx(measured, rel=0.1 if copies else 0.03)


def test_planning_draws_no_random_number_and_keeps_the_default_dtype():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    step_cost(partial(MLP, (64,), 10, 5, dropout=0.5), mse, made_by(ADAM), (64,), 10, 4, precision="64-true")
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_default_dtype() == torch.float32
