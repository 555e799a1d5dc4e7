"""Packs on a device: a member's numbers are the CPU's, the host never waits, and a pack launches what a run does."""

import pytest

from tests.device.watched import compare_together, launches

SIDE_BY_SIDE = ("model=mlp", "optimizer=adam", "data.batch_size=6")
# Evaluations take as many samples at once as a step does.
LARGE = ("data.n_train=120", "data.batch_size=100")
VMAP = ("model=cnn3", "model.width=2", "optimizer=sgd", *LARGE)
CASES = {
    "side by side": [
        [*SIDE_BY_SIDE, "model.width=2", "seed=0"],
        [*SIDE_BY_SIDE, "model.width=3", "seed=1", "data.label_noise=0.3"],
        [*SIDE_BY_SIDE, "model.width=3", "seed=0", "optimizer.lr=3e-3"],
    ],
    "full batches of unequal size": [
        ["model.width=2", "data.n_train=9"],
        ["model.width=3", "data.n_train=12", "seed=3"],
    ],
    "clipped, batch norm, a schedule": [
        [*SIDE_BY_SIDE, "model.norm=batch", "clip_norm=0.1", "scheduler=cosine", f"model.width={width}"]
        for width in (2, 3)
    ],
    "muP, squared loss": [
        ["model.parametrization=mup", "loss=mse", "optimizer=sgd", f"seed={seed}"] for seed in (0, 1)
    ],
    "regression": [["data=teacher_regression", "data.batch_size=6", f"seed={seed}"] for seed in (0, 1)],
    "layer norm": [["model.norm=layer", "optimizer=adamw", f"seed={seed}"] for seed in (0, 1)],
    "vmap, convolutions": [[*VMAP, f"seed={seed}"] for seed in (0, 1)],
    "vmap, convolutions of other widths, clipped": [
        [*VMAP, "clip_norm=0.1", f"model.width={width}"] for width in (2, 3)
    ],
    "vmap, residual blocks": [
        ["model=preact_resnet18", "model.blocks=[1,1]", "model.width=2", *LARGE, f"seed={seed}"]
        for seed in (0, 1)
    ],
    "augmented": [[*VMAP, "data.crop=2", "data.flip=true", f"seed={seed}"] for seed in (0, 1)],
    "held out": [[*SIDE_BY_SIDE, "data.held_out=20", f"seed={seed}"] for seed in (0, 1)],
}


@pytest.mark.parametrize("case", CASES)
def test_members_train_as_on_the_cpu_and_never_wait(tmp_path, in_device_process, case):
    seen = in_device_process(compare_together, CASES[case], str(tmp_path))
    assert seen.differences == []
    assert seen.waits == {}
    assert len(set(seen.evaluation_waits)) == 1


def test_a_pack_of_sixty_launches_what_a_run_does(tmp_path, in_device_process):
    common = ("data.batch_size=6", "model.width=4", "trainer.max_steps=40")
    alone = in_device_process(launches, [common], str(tmp_path))
    same_data = [[*common, "data.seed=0", "data.order_seed=0", f"seed={seed}"] for seed in range(20)]
    assert in_device_process(launches, same_data, str(tmp_path)) < 1.1 * alone
    # Of other data each member gathers its own, once a chunk of steps.
    assert (
        in_device_process(launches, [[*common, f"seed={seed}"] for seed in range(60)], str(tmp_path))
        < 1.5 * alone
    )
    # The matrices of each width are multiplied by kernels of their own.
    widths = [[*common, f"model.width={width}"] for width in range(2, 14)]
    assert in_device_process(launches, widths, str(tmp_path)) < 3 * alone


def test_a_pack_through_vmap_launches_no_more_with_more_members(tmp_path, in_device_process):
    common = (*VMAP, "trainer.max_steps=10", "data.seed=0", "data.order_seed=0", "data.batch_size=120")
    alone = in_device_process(launches, [common], str(tmp_path))
    few, many = (
        in_device_process(
            launches, [[*common, f"seed={seed}"] for seed in range(count)], str(tmp_path / str(count))
        )
        for count in (2, 4)
    )
    assert few == many < 2.5 * alone
