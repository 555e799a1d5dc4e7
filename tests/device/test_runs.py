"""Whatever a run's config asks for, it trains on a device as on the CPU, and the host waits for evaluations alone."""

import pytest

from tests.combinations.test_combinations import options
from tests.device.watched import (
    compare,
    compare_distilled,
    compare_streamed,
    continued,
    drawn_from,
    losses,
    trained_weights,
)

BATCHES = "data.batch_size=5"
CNN = ("model=cnn3", "model.width=2", BATCHES)
CASES = {
    "full batch": [],
    "steps one by one": [BATCHES, "trainer.fused_steps=false"],
    "data on the host": [BATCHES, "data.resident=false", "data.num_workers=0"],
    "images on the host": [
        *CNN,
        "data.resident=false",
        "data.num_workers=0",
        "data.crop=1",
        "data.flip=true",
    ],
    "full batch on the host": ["data.resident=false", "data.num_workers=0"],
    "label noise and samples held out": [BATCHES, "data.label_noise=0.3", "data.held_out=20"],
    "regression": [BATCHES, "data=teacher_regression"],
    "squared loss of classes": [BATCHES, "loss=mse"],
    "label smoothing": [BATCHES, "loss=cross_entropy", "loss.label_smoothing=0.1"],
    "clipped": [BATCHES, "clip_norm=0.01"],
    "clipped by the Trainer": [BATCHES, "+trainer.gradient_clip_val=0.01"],
    "accumulated": [BATCHES, "+trainer.accumulate_grad_batches=2"],
    "fused Adam": [BATCHES, "optimizer.fused=true"],
    "batch norm": [BATCHES, "model.norm=batch"],
    "layer norm, GELU": [BATCHES, "model.norm=layer", "model.activation=gelu"],
    "muP": [BATCHES, "model.parametrization=mup"],
    "dropout": [BATCHES, "model=wide_resnet", "model.width=1", "model.depth=10", "model.dropout=0.3"],
    "channels last": [*CNN, "channels_last=true"],
    "64 bit": [BATCHES, "trainer.precision=64-true"],
    "bf16": [BATCHES, "trainer.precision=bf16-true"],
    "SAM": [BATCHES, "module=sam"],
    "best weights": [BATCHES, "data.held_out=20", "callbacks=[best_weights]"],
    "early stopping": [BATCHES, "data.held_out=20", "callbacks=[early_stopping]"],
    **{f"optimizer {name}": [BATCHES, f"optimizer={name}"] for name in options("optimizer")},
    **{
        f"scheduler {name}": [BATCHES, f"scheduler={name}", "data.held_out=20"]
        for name in options("scheduler")
    },
}


@pytest.mark.parametrize("call", [compare_distilled, compare_streamed])
def test_a_teacher_and_a_stream_come_to_the_device(tmp_path, in_device_process, call):
    assert in_device_process(call, str(tmp_path)).differences == []


@pytest.mark.parametrize(
    "network", [[], ["model.norm=layer", "clip_norm=0.1"], CNN], ids=["mlp", "norms", "cnn"]
)
def test_autocast_rounds_and_never_waits(tmp_path, in_device_process, network):
    """CUDA, and so this device, takes losses in full precision, which the CPU does not: the numbers are near."""
    overrides = [BATCHES, *network, "trainer.precision=bf16-mixed"]
    on_cpu, on_device, seen = in_device_process(losses, overrides, str(tmp_path))
    assert on_device == pytest.approx(on_cpu, rel=0.02)
    assert on_device != on_cpu
    assert seen.waits == {}


# Callbacks of Lightning's that wait at every step, each by itself: torch's AveragedModel reads how many weights it has
# averaged, and LearningRateMonitor makes a tensor of each rate on the device.
WAITING = {
    "a moving average": [BATCHES, "callbacks=[ema]"],
    "the learning rate, logged": [BATCHES, "callbacks=[lr_monitor]", "trainer.log_every_n_steps=1"],
}


@pytest.mark.parametrize("case", CASES)
def test_a_run_trains_as_on_the_cpu_and_never_waits(tmp_path, in_device_process, case):
    seen = in_device_process(compare, CASES[case], str(tmp_path))
    assert seen.differences == []
    assert seen.waits == {}
    assert max(seen.evaluation_waits) <= 6  # one for each split, and one for inputs that are on the host


@pytest.mark.parametrize("case", WAITING)
def test_callbacks_that_wait_train_as_on_the_cpu(tmp_path, in_device_process, case):
    assert in_device_process(compare, WAITING[case], str(tmp_path)).differences == []


DROPOUT = ["model=wide_resnet", "model.width=1", "model.depth=10", "model.dropout=0.3", BATCHES]
LARGE = (
    "data.n_train=120",
    "data.batch_size=100",
)  # a pack evaluates as many samples at once as a step takes
KILLED = {
    "dropout": [DROPOUT],
    "dropout, steps one by one": [[*DROPOUT, "trainer.fused_steps=false"]],
    "mixup": [[BATCHES, "module=mixup"]],
    "a moving average": [[BATCHES, "callbacks=[ema]", "scheduler=cosine"]],
    "a pack": [[BATCHES, "model.norm=batch", f"model.width={width}"] for width in (2, 3)],
    "a pack through vmap": [[*CNN, *LARGE, "optimizer=sgd", f"seed={seed}"] for seed in (0, 1)],
}


@pytest.mark.parametrize("case", KILLED)
def test_what_was_killed_on_a_device_goes_on_bit_for_bit(tmp_path, in_device_process, case):
    assert in_device_process(continued, KILLED[case], str(tmp_path), 10) == []


def test_what_is_drawn_on_the_host_leaves_the_devices_generator(in_device_process):
    """Dropout draws from it while a run is trained; the rest is drawn then too, some of it in the middle."""
    assert in_device_process(drawn_from, [*DROPOUT, "data.seed=0"]) == []
    assert in_device_process(drawn_from, ["data=teacher", BATCHES]) == []


def test_measures_do_not_change_the_training_that_they_look_at(tmp_path, in_device_process):
    # The first evaluation then builds the network at step 0 again.
    looked = [*DROPOUT, "measures=norms", "measures.norms.at=evaluations"]
    plain = in_device_process(trained_weights, DROPOUT, str(tmp_path / "plain"))
    with_measures = in_device_process(trained_weights, looked, str(tmp_path / "looked"))
    assert all((plain[name] == with_measures[name]).all() for name in plain)
