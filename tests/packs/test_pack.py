"""A member of a pack leaves behind what its run alone does."""

import math
from pathlib import Path

import pytest
import torch

from overparam.packs.checkpoint import complete_checkpoints
from overparam.packs.pack import train_pack
from overparam.packs.record import Recorded
from overparam.runs.identity import run_directory
from overparam.runs.metrics import read_metrics
from overparam.runs.provenance import resumed_at
from overparam.runs.state import AlreadyRunning, Diverged, lock, read_failure
from overparam.training.build import located, resolve
from overparam.training.evaluation import Evaluation
from overparam.training.run import train
from tests.conftest import read_json

SEEDS = ["seed=0"], ["seed=1"], ["seed=2", "data.seed=0"]
WIDTHS = (
    ["model.width=3", "seed=0"],
    ["model.width=4", "seed=1", "data.label_noise=0.3"],
    ["model.width=4", "seed=0", "data.label_noise=0.3", "optimizer.lr=3e-3", "optimizer.weight_decay=0.1"],
)
SIZES = (
    ["data.n_train=40", "model.width=2"],
    ["data.n_train=55", "seed=3", "model.width=6", "optimizer.lr=3e-3"],
    ["data.n_train=60"],
)
CASES = {
    "mlp, full batches of unequal size": (["optimizer=adam", "model.width=8"], SIZES, 300),
    "mlp, clipped": (["optimizer=adam", "clip_norm=0.5", "data.batch_size=16"], WIDTHS, 100),
    "mlp, batch norm": (
        [
            "optimizer=sgd",
            "optimizer.nesterov=true",
            "model.norm=batch",
            "data.batch_size=16",
            "model.depth=2",
        ],
        (*WIDTHS, ["model.width=5", "data.n_train=50", "optimizer.momentum=0.5", "optimizer.nesterov=true"]),
        300,
    ),
    "mlp, ntk": (["optimizer=adam", "model.parametrization=ntk", "model.depth=2"], WIDTHS, 100),
    "mlp, mup": (["optimizer=sgd", "model.parametrization=mup", "model.depth=3"], WIDTHS, 100),
    "mlp, mup for adam": (["optimizer=adam", "model.parametrization=mup_adam", "model.depth=2"], WIDTHS, 100),
    "mlp, layer norm": (["optimizer=adamw", "model.norm=layer", "scheduler=cosine"], SEEDS, 300),
    "mlp, plain sgd": (
        ["optimizer=sgd", "optimizer.momentum=0", "scheduler=inverse_sqrt", "scheduler.period=20"],
        WIDTHS,
        300,
    ),
    "mlp, classes by squared loss": (["optimizer=adam", "loss=mse", "model.activation=tanh"], WIDTHS, 200),
    "mlp, regression": (
        ["optimizer=adam", "data=teacher_regression", "data.dtype=float64", "model.activation=gelu"],
        SEEDS,
        200,
    ),
    "linear": (["optimizer=sgd", "model=linear", "optimizer.lr=1e-3"], SEEDS, 300),
    "random features": (["optimizer=adam", "model=random_features", "model.width=20"], SEEDS, 200),
    "cnn": (["optimizer=adam", "model=cnn3", "data.batch_size=16"], WIDTHS, 30),
    "preact resnet": (
        ["optimizer=sgd", "model=preact_resnet18", "model.blocks=[1,1]", "data.batch_size=16"],
        WIDTHS,
        30,
    ),
    "resnet": (
        ["optimizer=adamw", "model=resnet_cifar", "model.depth=8", "data.batch_size=16"],
        WIDTHS,
        30,
    ),
}


def rows(cfg):
    return read_metrics(run_directory(cfg))


def largest_difference(left, right):
    """Over all cells of two metrics tables, relative to the cell's size where that is above one."""
    differences = []
    for a, b in zip(left, right, strict=True):
        assert a.keys() == b.keys()
        for key in a:
            assert math.isnan(a[key]) == math.isnan(b[key])
            if not math.isnan(a[key]):
                differences.append(abs(a[key] - b[key]) / max(1, abs(b[key])))
    return max(differences)


@pytest.mark.parametrize("case", CASES)
def test_a_member_equals_its_run_alone_in_float64(case, small, tmp_path):
    common, members, steps = CASES[case]
    common = ["trainer.precision=64-true", *common, f"trainer.max_steps={steps}"]
    packed = [small(*common, *member) for member in members]
    alone = [small(*common, *member, f"paths.logs={tmp_path / 'alone'}") for member in members]
    for summary, cfg, solo in zip(train_pack(packed), packed, alone, strict=True):
        expected = train(solo)
        assert largest_difference(rows(cfg), rows(solo)) < 1e-7
        for key in summary.keys() - {"wall_seconds", "pack"}:
            assert summary[key] == (
                pytest.approx(expected[key], abs=1e-7) if isinstance(expected[key], float) else expected[key]
            )
        weights, solo_weights = (
            torch.load(run_directory(c) / "weights.pt", weights_only=True) for c in (cfg, solo)
        )
        assert weights.keys() == solo_weights.keys()
        for key, value in solo_weights.items():
            torch.testing.assert_close(weights[key], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "case", ["mlp, full batches of unequal size", "mlp, batch norm", "cnn", "preact resnet"]
)
def test_the_first_steps_are_equal_in_float32(case, small, tmp_path):
    common, members, _ = CASES[case]
    common = [*common, "trainer.max_steps=3"]
    packed = [small(*common, *member) for member in members]
    alone = [small(*common, *member, f"paths.logs={tmp_path / 'alone'}") for member in members]
    train_pack(packed)
    for cfg, solo in zip(packed, alone, strict=True):
        train(solo)
        losses = [[row["train_loss"] for row in rows(c)] for c in (cfg, solo)]
        # Adam divides by small gradients: of the CNN 7e-4 on some CPUs, 2e-4 or less otherwise.
        assert losses[0] == pytest.approx(losses[1], rel=2e-3 if case == "cnn" else 2e-4)


def test_a_member_leaves_the_files_of_a_run(small):
    cfgs = [small(*member) for member in WIDTHS]
    summaries = train_pack(cfgs)
    for cfg, summary in zip(cfgs, summaries, strict=True):
        run_dir = run_directory(cfg)
        assert {path.name for path in run_dir.iterdir()} - {"uncommitted.diff"} == {
            *(".lock", "config.yaml", "metrics.csv", "provenance.json", "summary.json", "weights.pt")
        }
        assert summary == read_json(run_dir / "summary.json")
        assert summary["identity"] == run_dir.name


def test_a_member_that_diverges_does_not_touch_the_others(small, tmp_path):
    common = ["optimizer=sgd", "loss=mse", "trainer.precision=64-true"]
    members = (["seed=0"], ["seed=1", "optimizer.lr=1e30"], ["seed=2"])
    cfgs = [small(*common, *member) for member in members]
    first, second, third = train_pack(cfgs)
    assert isinstance(second, Diverged)
    assert read_failure(run_directory(cfgs[1])).reason.startswith("Diverged: training loss is")
    assert not (run_directory(cfgs[1]) / "summary.json").exists()
    for member, summary in ((members[0], first), (members[2], third)):
        solo = small(*common, *member, f"paths.logs={tmp_path / 'alone'}")
        assert summary["train_loss"] == pytest.approx(train(solo)["train_loss"], abs=1e-9)
    with pytest.raises(Diverged):
        train(small(*common, *members[1], f"paths.logs={tmp_path / 'alone'}"))


class Killed(BaseException):
    """Ends a process as far as this one can tell."""


@pytest.fixture
def killed_at(monkeypatch):
    """Kills packs at a step, if one is set; checkpoints are written after every chunk."""
    evaluate, at = Evaluation._evaluate, []

    def log(self, trainer, module):
        if trainer.global_step in at:
            raise Killed
        evaluate(self, trainer, module)

    monkeypatch.setattr(Evaluation, "_evaluate", log)
    return at


# SGD, not Adam: the gradient of a bias before BatchNorm is zero but for rounding, which Adam divides by itself, so that
# rounding alone moves such a bias, in a pack as well as alone.
RESUMED = [
    *("optimizer=sgd", "optimizer.lr=0.05", "data.batch_size=16", "scheduler=cosine"),
    *("model.norm=batch", "checkpoint_seconds=1e-9", "trainer.precision=64-true"),
]
GRID = [
    [f"model.width={width}", *row]
    for row in (["seed=0"], ["seed=1", "data.label_noise=0.3"], ["seed=1", "optimizer.lr=0.02"])
    for width in (3, 4)
]


def test_a_killed_pack_continues_bit_for_bit(small, tmp_path, killed_at):
    cfgs = [small(*RESUMED, *member) for member in GRID]
    whole = [small(*RESUMED, *member, f"paths.logs={tmp_path / 'whole'}") for member in GRID]
    train_pack(whole)
    killed_at.append(32)
    with pytest.raises(Killed):
        train_pack(cfgs)
    assert all((run_directory(cfg) / "last.ckpt").exists() for cfg in cfgs)
    killed_at.clear()
    train_pack(cfgs)
    for cfg, other in zip(cfgs, whole, strict=True):
        for name in ("metrics.csv", "weights.pt"):
            assert (run_directory(cfg) / name).read_bytes() == (run_directory(other) / name).read_bytes()
        assert [resumed_at(run_directory(run)) for run in (cfg, other)] == [[25], []]


def test_what_is_left_of_a_pack_may_go_on_alone_or_in_another_pack(small, tmp_path, killed_at):
    cfgs = [small(*RESUMED, *member) for member in GRID]
    alone = [small(*RESUMED, *member, f"paths.logs={tmp_path / 'alone'}") for member in GRID]
    killed_at.append(32)
    with pytest.raises(Killed):
        train_pack(cfgs)
    killed_at.clear()
    train(cfgs[0])
    train_pack(cfgs[1:])
    for cfg, solo in zip(cfgs, alone, strict=True):
        train(solo)
        assert largest_difference(rows(cfg), rows(solo)) < 1e-9
        assert resumed_at(run_directory(cfg)) == [25]


def test_finished_and_locked_members_are_left_alone(small):
    cfgs = [small(*member) for member in WIDTHS]
    finished = train(cfgs[0])
    run_directory(cfgs[1]).mkdir(parents=True)
    with lock(run_directory(cfgs[1])):
        first, second, third = train_pack(cfgs)
    assert first == finished
    assert isinstance(second, AlreadyRunning)
    assert third["steps"] == 40


def test_a_pack_that_fails_is_trained_one_by_one(small, monkeypatch):
    def fail(self, batch, batch_idx):
        raise RuntimeError("no pack today")

    monkeypatch.setattr("overparam.packs.module.PackModule.training_step", fail)
    assert [summary["steps"] for summary in train_pack([small(*member) for member in WIDTHS])] == [40] * 3


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_checkpoints_that_were_being_replaced_are_all_or_none(tmp_path, moved):
    """A pack killed between two members' checkpoints goes on from one step."""
    files = [tmp_path / name / "last.ckpt" for name in "abc"]
    for place, file in enumerate(files):
        file.parent.mkdir()
        torch.save({"global_step": 20 if place < moved else 10}, file)
        if place >= moved:
            torch.save({"global_step": 20}, file.with_name(".last.ckpt.member"))
    complete_checkpoints(files)
    assert {torch.load(file)["global_step"] for file in files} == {20 if moved else 10}
    assert not list(tmp_path.glob("*/.last.ckpt.member"))


def test_checkpoints_of_which_not_all_were_written_are_dropped(tmp_path):
    files = [tmp_path / name / "last.ckpt" for name in "ab"]
    for file in files:
        file.parent.mkdir()
        torch.save({"global_step": 10}, file)
    files[0].with_name(".last.ckpt.member").write_bytes(b"half of")
    complete_checkpoints(files)
    assert [torch.load(file)["global_step"] for file in files] == [10, 10]
    assert not list(tmp_path.glob("*/.last.ckpt.member"))


def test_a_pack_that_another_process_trains_is_left_to_it(small):
    cfgs = [located(resolve(small(*member))) for member in WIDTHS]
    dirs = [Path(cfg.paths.run) for cfg in cfgs]
    name = Recorded(tuple(run_dir.name for run_dir in dirs), 1).name
    place = dirs[0].parent / ".packs" / name
    place.mkdir(parents=True)
    with lock(place):
        assert all(isinstance(result, AlreadyRunning) for result in train_pack(cfgs))
    assert not any((run_dir / "config.yaml").exists() for run_dir in dirs)
