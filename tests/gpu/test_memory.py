"""What is estimated before anything is allocated, against the allocator's own count. Not run on a GPU yet."""

import pytest
import torch

from overparam.measures.step_cost import step_cost
from overparam.training.build import assemble
from tests.bench import memory

pytestmark = pytest.mark.gpu

RESNET = ("model=preact_resnet18", "model.width=16", "data.batch_size=128", "data.n_train=256")


@pytest.mark.parametrize("overrides", [("model.width=512", "data.n_train=1000"), RESNET])
def test_the_memory_of_a_step_is_what_was_estimated(compose, overrides):
    cfg = compose(*overrides)
    parts = assemble(cfg)
    data = parts.data
    expected = step_cost(
        *(parts.build_net, parts.loss, parts.build_optimizer),
        *(data.input_shape, data.num_outputs, data.batch_size),
    ).memory_bytes
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    net = parts.build_net().cuda()
    x = torch.randn(data.batch_size, *data.input_shape, device="cuda")
    y = torch.zeros(data.batch_size, dtype=torch.long, device="cuda")
    optimizer = parts.build_optimizer(net)
    for _ in range(2):  # the optimizer's state is there from the second step on
        torch.cuda.reset_peak_memory_stats()
        parts.loss(net(x), y).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    peak = torch.cuda.max_memory_allocated() - before
    # cuDNN's workspaces are not in the estimate; allocations are rounded up to 512 bytes.
    assert 0.9 < peak / expected < 1.5


@pytest.mark.parametrize("case", memory.CASES)
def test_the_memory_of_a_pack_is_within_its_estimate(case):
    estimate, peak = memory.measure(*memory.CASES[case])
    assert 0.4 < peak / estimate < 1.1
