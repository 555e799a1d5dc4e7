"""What is part of an identity: everything but where and how a run happens."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf, open_dict

from overparam.analysis.collect import collect
from overparam.analysis.swept import swept
from overparam.runs.identity import flat_values, identity, is_config_key, resolved_values
from tests.command_line import command_line
from tests.conftest import compose_config

MLP = "overparam.models.mlp.MLP"


def changed(key: str, value: Any, *overrides: str) -> DictConfig:
    cfg = compose_config(*overrides)
    with open_dict(cfg):
        OmegaConf.update(cfg, key, value, force_add=True)
    return cfg


@pytest.fixture
def fork(tmp_path: Path) -> str:
    """A config group of a fork's own, as the override that makes it known."""
    group = tmp_path / "configs" / "augmentation"
    group.mkdir(parents=True)
    for name, strength in (("weak", 0.1), ("strong", 0.9)):
        (group / f"{name}.yaml").write_text(f"strength: {strength} # of the blur\n")
    return f"hydra.searchpath=[file://{group.parent}]"


def test_a_group_that_a_fork_adds_counts_by_itself(fork: str) -> None:
    names = {
        identity(compose_config(fork, *choice))
        for choice in ([], ["+augmentation=weak"], ["+augmentation=strong"])
    }
    assert len(names) == 3
    assert flat_values(compose_config(fork, "+augmentation=weak"))["augmentation.strength"] == 0.1


def test_runs_that_differ_in_a_forks_group_are_two(fork: str, tmp_path: Path) -> None:
    configs = fork.partition("file://")[2].rstrip("]")
    small = ("data.n_train=40", "trainer.max_steps=2", "trainer.accelerator=cpu", "logger=local")
    options = ("--config-dir", configs, "-m", "name=fork", f"paths.logs={tmp_path}", *small)
    run = command_line("train.py", *options, "+augmentation=weak,strong")
    assert run.returncode == 0, run.stderr
    assert len(list(tmp_path.glob("fork/*/summary.json"))) == 2
    assert swept(collect(tmp_path / "fork")) == ["choices.augmentation"]


def test_a_class_of_the_same_name_in_another_module_is_another() -> None:
    shipped = compose_config()
    other = compose_config("model._target_=mine.nets.MLP")
    assert identity(other) != identity(shipped)
    assert identity(other) != identity(compose_config("model._target_=yours.nets.MLP"))
    assert flat_values(shipped)["model._target_"] == "MLP"
    assert flat_values(other)["model._target_"] == "mine.nets.MLP"
    assert identity(other).startswith("mlp-w64-")


def test_a_class_in_a_list_counts_by_its_path_too() -> None:
    def schedules(target: str, step: float) -> DictConfig:
        return changed("scheduler.schedulers", [{"_target_": target, "step_size": step}], "scheduler=cosine")

    one = identity(schedules("torch.optim.lr_scheduler.StepLR", 5))
    assert one == identity(schedules("torch.optim.lr_scheduler.StepLR", 5.0))
    assert one != identity(schedules("mine.StepLR", 5))
    assert one != identity(schedules("torch.optim.lr_scheduler.StepLR", 6))


@pytest.mark.parametrize(
    "overrides",
    [
        ["logger=local"],
        ["paths.logs=elsewhere", "paths.data=there"],
        ["++paths.run=elsewhere/name"],
        ["name=other"],
        ["hydra/launcher=local"],
        ["pack=all"],
        ["checkpoint_seconds=1", "cpu_threads=2", "objective=train_error"],
        ["++retrain=true", "++members=file", "++plan.json=file"],
        ["++trainer.fused_steps=false", "++trainer.log_every_n_steps=1"],
        ["trainer=ddp"],
        ["trainer=fsdp", "trainer.accelerator=gpu"],
        ["evaluation.batch_size=7"],
        ["data.resident=false", "data.num_workers=0"],
    ],
    ids=" ".join,
)
def test_where_and_how_a_run_happens_is_not_part_of_it(overrides: list[str]) -> None:
    assert identity(compose_config(*overrides)) == identity(compose_config())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("module", {"_target_": "overparam.training.module.SupervisedModule"}),
        ("callbacks", None),
        ("callbacks", {}),
        ("evaluation.train_samples", None),
    ],
)
def test_new_keys_leave_no_trace_at_their_defaults(key: str, value: Any) -> None:
    assert identity(changed(key, value)) == identity(compose_config())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("module", {"_target_": "mine.Mixup", "alpha": 0.2}),
        ("module.alpha", 0.2),
        ("callbacks", {"ema": {"_target_": "mine.EMA"}}),
        ("evaluation.train_samples", 500),
        ("trainer.gradient_clip_val", 1.0),
        ("temperature", 2),
    ],
)
def test_any_other_value_counts(key: str, value: Any) -> None:
    assert identity(changed(key, value)) != identity(compose_config())


@pytest.mark.parametrize("name", ["cross_entropy", "mse"])
def test_a_loss_as_a_node_is_the_loss_it_was_as_a_name(name: str) -> None:
    as_a_name = changed("loss", name)
    node = {"_target_": f"overparam.training.objective.{name}", "_partial_": True}
    assert identity(changed("loss", node)) == identity(as_a_name)
    assert identity(changed("loss", {**node, "label_smoothing": 0.0})) == identity(as_a_name)
    smoothed = flat_values(changed("loss", {**node, "label_smoothing": 0.1}))
    assert smoothed == {**flat_values(as_a_name), "loss.label_smoothing": 0.1}
    theirs = flat_values(changed("loss", {**node, "_target_": f"mine.{name}"}))
    assert theirs == {**flat_values(as_a_name), "loss": f"mine.{name}"}


def test_a_value_inside_a_folder_does_not_depend_on_where_the_folder_is() -> None:
    def named(logs: str, teacher: str) -> str:
        cfg = changed(
            "module", {"_target_": "mine.Distilled", "teacher": teacher, "also": "${module.teacher}"}
        )
        cfg.paths.logs = logs
        sent = OmegaConf.create(
            resolved_values(cfg)
        )  # to a worker, as an absolute path, with all else resolved
        sent.paths.logs = f"/elsewhere/{logs}"
        assert (
            sent.module.also == sent.module.teacher == teacher.replace("${paths.logs}", f"/elsewhere/{logs}")
        )
        assert identity(sent) == identity(cfg)
        return identity(cfg)

    assert named("a", "${paths.logs}/big") == named("b", "${paths.logs}/big")
    assert named("a", "${paths.logs}/big") != named("a", "${paths.logs}/small")
    assert named("a", "big/run") != named("a", "small/run")


def test_values_sent_elsewhere_are_resolved_but_for_references_to_paths(monkeypatch: Any) -> None:
    monkeypatch.setenv("HERE", "/here")
    cfg = OmegaConf.create(
        {
            "paths": {"logs": "${oc.env:HERE}/logs", "run": None},
            "logger": {"csv": {"save_dir": "${paths.run}/csv"}},
            "seed": 3,
            "data": {"seed": "${seed}", "files": ["${paths.logs}/x"]},
            "hydra": {"never": "${looked:at}"},
        }
    )
    assert resolved_values(cfg) == {
        "paths": {"logs": "/here/logs", "run": None},
        "logger": {"csv": {"save_dir": "${paths.run}/csv"}},
        "seed": 3,
        "data": {"seed": 3, "files": ["${paths.logs}/x"]},
    }


def test_config_keys_are_told_from_other_columns(small: Callable[..., DictConfig]) -> None:
    values = flat_values(small("clip_norm=1", "compile=true", "channels_last=true", "loss=mse"))
    assert all(map(is_config_key, values))
    assert not any(map(is_config_key, ("test_error", "identity", "name", "params", "regime")))
