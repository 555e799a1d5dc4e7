"""The LightningModule against a hand-written loop."""

import pytest
import torch
import torch.nn.functional as F

from overparam.assemble import assemble
from overparam.data.loader import BatchOrder
from overparam.train import run_directory, train

STEPS = 70  # more than two chunks


def by_hand(cfg, make_optimizer, factor=lambda step: 1.0, clip=None):
    parts = assemble(cfg)
    parts.data.setup()
    net, data = parts.build_module().net, parts.data
    optimizer = make_optimizer(net.parameters())
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    order = BatchOrder(data.n_train, data.batch_size, data.order_seed)
    for step in range(STEPS):
        index = order.steps(step, step + 1)
        x, y = (
            (data.train.x, data.train.y)
            if index is None
            else (data.train.x[index[0]], data.train.y[index[0]])
        )
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(net.parameters(), clip)
        optimizer.step()
        schedule.step()
    return net.state_dict()


@pytest.mark.parametrize(
    ("overrides", "options"),
    [
        ((), {"make_optimizer": lambda p: torch.optim.Adam(p, 1e-2)}),
        (
            ("data.batch_size=16", "optimizer=sgd", "scheduler=inverse_sqrt", "scheduler.period=10"),
            {
                "make_optimizer": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9),
                "factor": lambda step: (1 + step // 10) ** -0.5,
            },
        ),
        (("clip_norm=0.1",), {"make_optimizer": lambda p: torch.optim.Adam(p, 1e-2), "clip": 0.1}),
    ],
    ids=["full batch", "minibatch with schedule", "clipped"],
)
def test_training_is_the_plain_loop(small, overrides, options):
    cfg = small("model.width=8", f"trainer.max_steps={STEPS}", *overrides)
    train(cfg)
    trained = torch.load(run_directory(cfg) / "weights.pt", weights_only=True)
    for name, expected in by_hand(cfg, **options).items():
        torch.testing.assert_close(trained[name], expected, rtol=0, atol=0)
