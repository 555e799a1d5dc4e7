"""The LightningModule against a hand-written loop, and with and without Lightning's wrappers around a step."""

import lightning as L
import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch.plugins import MixedPrecision

from overparam.data.loader import BatchOrder
from overparam.runs.identity import run_directory
from overparam.runs.provenance import resumed_at
from overparam.training.build import assemble, build_trainer
from overparam.training.checkpoint import TimedCheckpoint
from overparam.training.module import SupervisedModule
from overparam.training.objective import cross_entropy, mean_loss
from overparam.training.run import train

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


def fit(cfg, *callbacks, **arguments):
    parts = assemble(cfg)
    module = parts.build_module()
    trainer = build_trainer(cfg, parts.data, callbacks=list(callbacks), logger=False, **arguments)
    trainer.fit(module, datamodule=parts.data)
    assert trainer.global_step == cfg.trainer.max_steps
    return module.net.state_dict()


FUSED = (
    (),
    ("optimizer=sgd", "scheduler=cosine", "data.batch_size=16", "clip_norm=0.1", "model.dropout=0.2"),
    ("trainer.precision=bf16-mixed", "model=cnn3", "data.batch_size=16", "data.crop=1"),
    ("trainer.precision=64-true", "loss=mse", "scheduler=warmup_cosine", "scheduler.milestones=[7]"),
)


def left(cfg):
    return [(run_directory(cfg) / name).read_bytes() for name in ("metrics.csv", "weights.pt")]


@pytest.mark.parametrize(
    "overrides", FUSED, ids=["adam", "sgd, cosine, clipped, dropout", "bf16", "float64, mse"]
)
def test_fused_steps_are_the_steps_one_by_one_to_the_bit(small, tmp_path, overrides, monkeypatch):
    fused = []
    steps = SupervisedModule._fused_steps
    monkeypatch.setattr(
        SupervisedModule, "_fused_steps", lambda self, xs, ys: fused.append(len(xs)) or steps(self, xs, ys)
    )
    auto = small("model.width=8", *overrides)
    train(auto)
    assert sum(fused) == 40
    assert max(fused) > 1
    single = small(
        "model.width=8", "trainer.fused_steps=false", f"paths.logs={tmp_path / 'single'}", *overrides
    )
    train(single)
    assert sum(fused) == 40
    assert run_directory(auto).name == run_directory(single).name
    assert left(auto) == left(single)


class Interrupted(Exception):
    pass


@pytest.mark.parametrize(("first", "then"), [("auto", "false"), ("false", "auto")])
def test_a_run_may_go_on_with_steps_fused_or_not(small, tmp_path, monkeypatch, first, then):
    options = ("data.batch_size=16", "model.dropout=0.2", "checkpoint_seconds=1e-9", "scheduler=cosine")
    whole = small(*options, f"paths.logs={tmp_path / 'whole'}")
    train(whole)
    save = TimedCheckpoint.on_train_batch_end

    def interrupt(self, trainer, *rest):
        save(self, trainer, *rest)
        if trainer.global_step >= 20:
            raise Interrupted

    monkeypatch.setattr(TimedCheckpoint, "on_train_batch_end", interrupt)
    with pytest.raises(Interrupted):
        train(small(*options, f"trainer.fused_steps={first}"))
    monkeypatch.undo()
    cfg = small(*options, f"trainer.fused_steps={then}")
    train(cfg)
    assert left(cfg) == left(whole)
    assert [resumed_at(run_directory(run)) for run in (cfg, whole)] == [[20], []]


class Sees(L.Callback):
    def on_train_batch_end(self, *_):
        pass


@pytest.mark.parametrize(
    "override",
    [
        "trainer.fused_steps=false",
        "+trainer.accumulate_grad_batches=2",
        "+trainer.gradient_clip_val=1.0",
        "+trainer.detect_anomaly=true",
        "+trainer.profiler=simple",
        "scheduler=plateau",
        "callbacks=lr_monitor",
        "callbacks=ema",
        "+callbacks.sees._target_=tests.training.test_module.Sees",
    ],
)
def test_steps_are_not_fused_where_something_looks_into_one(small, override, monkeypatch):
    monkeypatch.setattr(SupervisedModule, "_fused_steps", None)
    train(small("trainer.max_steps=4", "data.batch_size=16", override))


def test_scaled_gradients_are_clipped_at_their_own_norm(small, tmp_path):
    """16-bit gradients are multiplied by the scaler, 1024 at first; the norm that is clipped is without."""
    cfg = small("model.width=8", "clip_norm=0.1", "optimizer=sgd")
    parts = assemble(cfg)
    module, norms = parts.build_module(), []

    def record(optimizer, args, kwargs):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
        norms.append(torch.nn.utils.get_total_norm(gradients).item())

    class Watch(L.Callback):
        def on_train_start(self, trainer, pl_module):
            pl_module.optimizers(use_pl_optimizer=False).register_step_pre_hook(record)

    scaled = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=1024.0))
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = L.Trainer(
        max_steps=5,
        accelerator="cpu",
        plugins=[scaled],
        callbacks=[Watch()],
        default_root_dir=tmp_path,
        **options,
    )
    trainer.fit(module, datamodule=parts.data)
    assert norms == pytest.approx([0.1] * 5, rel=1e-3)


@pytest.mark.parametrize("n", [7, 60, 128])
def test_mean_loss_has_the_gradient_of_the_mean_to_the_bit(n):
    generator = torch.Generator().manual_seed(n)
    y = torch.randint(10, (n,), generator=generator)
    outputs = torch.randn(n, 10, generator=generator)
    gradients = []
    for loss in (mean_loss, lambda loss, *given: loss(*given).mean()):
        leaf = outputs.clone().requires_grad_()
        loss(cross_entropy, leaf, y).backward()
        gradients.append(leaf.grad)
    assert torch.equal(*gradients)


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_no_step_looks_for_a_gpu_in_the_drivers_library(small, tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr("torch.cuda._device_count_nvml", lambda: looked.append(1) or 0)
    fit(small(), default_root_dir=tmp_path)
    assert len(looked) < 10  # at the start; there are 40 steps
