"""What the lab relies on of Lightning's, torch's and wandb's private parts still does what it relies on."""

import lightning as L
import pytest
import torch
from torch import nn

from overparam import compat


class Plain(L.LightningModule):
    def __init__(self, by_hand):
        super().__init__()
        self.automatic_optimization = not by_hand
        self.net, self.seen = nn.Linear(2, 1), []

    def training_step(self, batch, batch_idx):
        self.seen.append((batch_idx, self.trainer.global_step))
        loss = self.net(batch[0]).square().mean()
        if self.automatic_optimization:
            return loss
        optimizer = self.optimizers(use_pl_optimizer=False)
        optimizer.zero_grad()
        loss.backward()
        for _ in range(2):  # two steps a batch
            optimizer.step()
            compat.count_manual_step(self.trainer)
        return None

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


class Save(L.Callback):
    def __init__(self, path, batch):
        self.path, self.batch = path, batch

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if batch_idx + 1 == self.batch:
            trainer.save_checkpoint(self.path)


class Rewrite(L.Callback):
    def __init__(self, batches, steps):
        self.done = batches, steps

    def on_load_checkpoint(self, trainer, module, checkpoint):
        compat.set_progress(checkpoint, *self.done)


def trainer(tmp_path, *callbacks, **options):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    return L.Trainer(
        accelerator="cpu",
        default_root_dir=tmp_path,
        max_epochs=-1,
        callbacks=list(callbacks),
        **quiet,
        **options,
    )


def loader(batches):
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(batches, 2)), batch_size=1)


@pytest.mark.parametrize("first_by_hand", [True, False])
def test_progress_rewritten_goes_on_where_it_says_under_the_other_optimization(tmp_path, first_by_hand):
    path = tmp_path / "c.ckpt"
    first = Plain(first_by_hand)
    start = trainer(tmp_path, Save(path, 4), max_steps=12)
    start.fit(first, loader(12))
    assert start.global_step == 12
    steps = torch.load(path, weights_only=False)["global_step"]
    assert steps == (8 if first_by_hand else 4)
    # By hand a batch is two steps: 4 of 6 batches are done; one by one 8 of 12 are.
    batches = steps if first_by_hand else 2
    then = Plain(not first_by_hand)
    goes_on = trainer(tmp_path, Rewrite(batches, steps), max_steps=12)
    goes_on.fit(then, loader(12 if first_by_hand else 6), ckpt_path=path)
    assert goes_on.global_step == 12
    assert then.seen[0] == (batches, steps)
    assert len(then.seen) == 4


def test_callback_metrics_are_what_was_put_into_them(tmp_path):
    class Put(L.Callback):
        def on_train_start(self, trainer, module):
            trainer.callback_metrics["mine"] = torch.tensor(3.0)

        def on_train_batch_end(self, trainer, module, *_):
            assert trainer.callback_metrics["mine"] == 3

    after = trainer(tmp_path, Put(), max_steps=3)
    after.fit(Plain(False), loader(3))
    assert after.callback_metrics["mine"] == 3


def test_the_first_process_is_told_by_its_environment(monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert compat.is_first_process()
    monkeypatch.setenv("RANK", "1")
    assert not compat.is_first_process()


@pytest.mark.parametrize("norm", [nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm])
def test_batch_norms_of_every_kind_are_known(norm):
    assert compat.has_batch_norm(nn.Sequential(nn.Linear(2, 3), norm(3)))
    assert not compat.has_batch_norm(nn.Sequential(nn.LayerNorm(3), nn.GroupNorm(1, 3)))


def test_storages_are_told_apart_on_the_meta_device():
    first = torch.empty(4, device="meta")
    assert compat.storage_id(first) == compat.storage_id(first.view(2, 2))
    assert compat.storage_id(first) != compat.storage_id(torch.empty(4, device="meta"))


def test_schedules_keep_their_state_where_packs_look_for_it():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)
    one = torch.optim.lr_scheduler.LinearLR(optimizer)
    assert {"base_lrs", "_last_lr"} <= one.state_dict().keys() & set(compat.SCHEDULE_PER_GROUP)
    several = torch.optim.lr_scheduler.SequentialLR(optimizer, [one, one], milestones=[3])
    assert len(several.state_dict()[compat.SCHEDULE_NESTED]) == 2
    by_lambda = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    assert len(by_lambda.state_dict()["lr_lambdas"]) == len(by_lambda.state_dict()["base_lrs"]) == 1


def test_fake_tensors_have_a_shape_and_no_memory():
    with compat.fake_tensors():
        x = torch.empty(10**6, 10**6)
        assert (x @ x).shape == (10**6, 10**6)


def test_modes_see_operations_and_leaves():
    class Count(compat.TorchDispatchMode):
        seen = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.seen += 1
            return func(*args, **(kwargs or {}))

    with Count() as count:
        torch.ones(2) + 1
    assert count.seen >= 2
    assert compat.tree_leaves([1, {"a": (2, 3)}]) == [1, 2, 3]


@pytest.mark.parametrize(
    "form", [lambda o: o, lambda o: [o], lambda o: ([o], []), lambda o: {"optimizer": o}]
)
def test_the_first_optimizer_in_every_form(form):
    optimizer = torch.optim.SGD([torch.zeros(1)], 0.1)
    assert compat.first_optimizer(form(optimizer)) is optimizer


@pytest.mark.parametrize("interval", ["step", "year"])
def test_what_lightning_refuses_is_told_from_faults(interval):
    module = Plain(by_hand=False)
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    scheduler = {"scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 1), "interval": interval}
    module.configure_optimizers = lambda: {"optimizer": optimizer, "lr_scheduler": scheduler}
    stop = L.pytorch.callbacks.EarlyStopping("nowhere", check_on_train_epoch_end=True)
    trainer = L.Trainer(
        max_steps=1, logger=False, enable_checkpointing=False, accelerator="cpu", callbacks=stop
    )
    with pytest.raises(Exception, match="nowhere" if interval == "step" else "year") as refused:
        trainer.fit(module, [torch.ones(1, 1, 2)])
    assert compat.is_refused_by_lightning(refused.value)
    assert not compat.is_refused_by_lightning(RuntimeError("shapes do not match"))


@pytest.mark.skipif(not compat.has_onednn_product(torch.ones(1)), reason="of CPUs with AVX-512")
def test_onednn_multiplies_float32_in_full_precision_whatever_the_layout():
    left, right = torch.randn(37, 129), torch.randn(21, 129)
    exact = left.double() @ right.double().T
    for transposed_left in (left, left.T.contiguous().T):
        for transposed_right in (right, right.T.contiguous().T):
            found = compat.onednn_product(transposed_left, transposed_right)
            assert found.is_contiguous()
            torch.testing.assert_close(found.double(), exact, rtol=0, atol=1e-4)  # bfloat16 is off by 0.1
    assert not compat.has_onednn_product(left.double())
