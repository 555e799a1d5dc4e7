"""Runs on one GPU. Written where there was none: `make test-gpu` has not been run on one yet."""

from unittest.mock import patch

import pytest
import torch

from overparam.packs.pack import train_pack
from overparam.packs.speeds import Speeds
from overparam.runs.identity import run_directory
from overparam.runs.metrics import read_metrics
from overparam.runs.provenance import resumed_at
from overparam.training.build import assemble, build_trainer
from overparam.training.evaluation import Evaluation
from overparam.training.run import train

pytestmark = pytest.mark.gpu

BATCHES = "data.batch_size=16"
NETWORKS = {
    "mlp": ["model.width=16", BATCHES],
    "cnn": ["model=cnn3", "model.width=4", BATCHES],
    "resnet": ["model=preact_resnet18", "model.blocks=[1,1]", "model.width=4", BATCHES],
}
DROPOUT = ["model=wide_resnet", "model.width=2", "model.depth=10", "model.dropout=0.3", BATCHES]
EXACT = ["trainer.precision=64-true", "optimizer=sgd", "optimizer.lr=0.01"]


def metrics(cfg):
    return read_metrics(run_directory(cfg))


@pytest.mark.parametrize("network", NETWORKS)
def test_a_run_has_the_cpus_numbers_in_float64(compose, tmp_path, network):
    on_gpu = compose(*NETWORKS[network], *EXACT)
    on_cpu = compose(*NETWORKS[network], *EXACT, "trainer.accelerator=cpu", f"paths.logs={tmp_path / 'cpu'}")
    train(on_gpu)
    train(on_cpu)
    for ours, theirs in zip(metrics(on_gpu), metrics(on_cpu), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-6, nan_ok=True)


@pytest.fixture
def no_wait_between_evaluations(monkeypatch):
    """Make an error of every synchronization of host and GPU that is not an evaluation's or a run's start or end."""
    write = Evaluation._write

    def watched(self, trainer, module, again=False):
        torch.cuda.set_sync_debug_mode("default")
        row = write(self, trainer, module, again)
        if 0 < trainer.global_step < trainer.max_steps:
            torch.cuda.set_sync_debug_mode("error")
        return row

    monkeypatch.setattr(Evaluation, "_write", watched)
    yield
    torch.cuda.set_sync_debug_mode("default")


WITH = {"fused": [], "one by one": ["trainer.fused_steps=false"], "clipped": ["clip_norm=0.1"]}
WITH |= {"mixup": ["module=mixup"], "SAM": ["module=sam"]}


@pytest.mark.parametrize("more", WITH)
@pytest.mark.parametrize("network", NETWORKS)
def test_no_step_waits_for_the_gpu(compose, no_wait_between_evaluations, network, more):
    assert train(compose(*NETWORKS[network], *WITH[more], "checkpoint_seconds=1e9"))["steps"] == 40


@pytest.mark.parametrize("network", NETWORKS)
def test_no_step_of_a_pack_waits_for_the_gpu(compose, no_wait_between_evaluations, network):
    common = (*NETWORKS[network], "checkpoint_seconds=1e9")
    results = train_pack([compose(*common, f"seed={seed}") for seed in range(3)])
    assert [result["steps"] for result in results] == [40] * 3


@pytest.mark.parametrize("network", NETWORKS)
def test_members_of_a_pack_equal_their_runs_alone_in_float64(compose, tmp_path, network):
    common = (*NETWORKS[network], *EXACT)
    packed = [compose(*common, f"seed={seed}") for seed in range(3)]
    alone = [compose(*common, f"seed={seed}", f"paths.logs={tmp_path / 'alone'}") for seed in range(3)]
    train_pack(packed)
    for cfg, solo in zip(packed, alone, strict=True):
        train(solo)
        for ours, theirs in zip(metrics(cfg), metrics(solo), strict=True):
            assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-9, nan_ok=True)


def test_how_many_train_fastest_together_is_measured_once(compose, tmp_path):
    parts, device = assemble(compose(*NETWORKS["cnn"])), torch.device("cuda")
    first, second = (Speeds(file=tmp_path / "speeds.json") for _ in range(2))
    best = first.members(parts, 16, "32-true", device, 64)
    assert second.members(parts, 16, "32-true", device, 64) == best
    assert first.recorded == second.recorded
    ((kind, seconds),) = first.recorded.items()
    assert kind.startswith(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, CNN ")
    assert len(seconds) >= 4
    assert 0 < seconds[best] <= seconds[1]


IMAGES = [*NETWORKS["cnn"], "data.crop=1", "data.flip=true"]


def test_data_live_on_the_gpu_or_come_from_pinned_workers_with_the_same_numbers(compose, tmp_path):
    resident = compose(*IMAGES, "trainer.deterministic=true")
    streamed = compose(
        *IMAGES, "trainer.deterministic=true", "data.resident=false", f"paths.logs={tmp_path / 'host'}"
    )
    homes = []
    for cfg in (resident, streamed):
        data = assemble(cfg).data
        data.trainer = build_trainer(cfg, data, logger=False)
        data.setup()
        homes.append((data.train.stored.device.type, data.train.y.device.type))
        train(cfg)
    assert homes == [("cuda", "cuda"), ("cpu", "cuda")]
    assert metrics(resident) == [pytest.approx(row, nan_ok=True) for row in metrics(streamed)]


@pytest.mark.parametrize("precision", ["16-mixed", "bf16-mixed", "bf16-true"])
@pytest.mark.parametrize("clip", [[], ["clip_norm=1"]], ids=["plain", "clipped"])
def test_a_run_learns_in_lower_precision(compose, precision, clip):
    cfg = compose(*NETWORKS["cnn"], f"trainer.precision={precision}", "optimizer.lr=3e-3", *clip)
    assert train(cfg)["train_loss"] < 0.8 * metrics(cfg)[0]["train_loss"]


@pytest.mark.parametrize("knob", ["channels_last=true", "compile=true"])
def test_what_is_for_speed_changes_rounding_only(compose, tmp_path, knob):
    common = (*NETWORKS["cnn"], "trainer.max_steps=3", "optimizer=sgd", "optimizer.lr=0.01")
    plain, fast = compose(*common), compose(*common, knob, f"paths.logs={tmp_path / 'fast'}")
    assert train(fast)["train_loss"] == pytest.approx(train(plain)["train_loss"], rel=1e-2)


class Killed(BaseException):
    """Ends a process as far as a run can tell."""


def test_a_killed_run_goes_on_with_the_dropout_it_would_have_had(compose, tmp_path):
    common = (*DROPOUT, "trainer.deterministic=true", "checkpoint_seconds=1e-9")
    whole, cut = compose(*common), compose(*common, f"paths.logs={tmp_path / 'cut'}")
    train(whole)
    evaluate = Evaluation._evaluate

    def kill(self, trainer, module):
        if trainer.global_step == 32:
            raise Killed
        evaluate(self, trainer, module)

    with patch.object(Evaluation, "_evaluate", kill), pytest.raises(Killed):
        train(cut)
    torch.cuda.manual_seed_all(1)
    train(cut)
    assert resumed_at(run_directory(cut))
    weights = [torch.load(run_directory(cfg) / "weights.pt", weights_only=True) for cfg in (whole, cut)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_building_a_run_leaves_the_gpus_generator(compose):
    state = torch.cuda.get_rng_state()
    for overrides in (DROPOUT, ["data=teacher"]):
        parts = assemble(compose(*overrides))
        parts.build_module()
        parts.data.setup()
    assert torch.equal(torch.cuda.get_rng_state(), state)
