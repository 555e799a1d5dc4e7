"""The data sets by their names on the command line, and which of their knobs make another run."""

import pytest

from overparam.errors import ConfigError
from overparam.runs.identity import identity
from overparam.training.build import assemble
from tests.command_line import command_line
from tests.conftest import CONFIGS, compose_config, read_json

NAMES = [
    *("digits", "mnist", "fashion_mnist", "kmnist", "cifar10", "cifar100", "svhn"),
    *("teacher", "mixture", "linear", "two_scale", "sine", "mnist1d"),
]


@pytest.mark.parametrize("name", NAMES)
def test_every_data_set_is_known_without_loading_it(name, tmp_path):
    data = assemble(compose_config(f"data={name}", f"paths.data={tmp_path}", "data.n_train=20")).data
    assert (data.n_train, data.pool_size > 20) == (20, True)
    assert not hasattr(data, "train")
    assert list(tmp_path.iterdir()) == []


def test_there_are_no_others():
    assert {path.stem for path in (CONFIGS / "data").glob("*.yaml")} == {*NAMES, "teacher_regression"}


def test_where_the_data_is_does_not_make_another_run():
    base = identity(compose_config("data=cifar10"))
    for same in (
        "root=/elsewhere",
        "download=true",
        "resident=false",
        "num_workers=0",
        "crop=0",
        "flip=false",
    ):
        assert identity(compose_config("data=cifar10", f"data.{same}")) == base
    changed = ["crop=4", "flip=true", "cutout=8", "random_labels=true", "noise_kind=pair", "batch_size=64"]
    others = {identity(compose_config("data=cifar10", f"data.{change}")) for change in changed}
    assert len({base, *others}) == len(changed) + 1


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data.noise_kind=swap"], "data.noise_kind must be"),
        (["data.resident=maybe"], "data.resident must be"),
        (["data=sine", "data.input_dim=7"], "data.sine_dims and data.cosine_dims must be at most"),
        (["data=linear", "data.covariance=round"], "data.covariance must be"),
        (["data=cifar10", "data.flip=sideways"], "data.flip must be"),
        (["data=cifar10", "data.n_train=50001"], "data.n_train must be between 1 and 50000"),
    ],
)
def test_a_bad_knob_is_one_line(overrides, words):
    with pytest.raises(ConfigError, match=words):
        assemble(compose_config(*overrides))


def test_plan_needs_no_data_set(tmp_path):
    file = tmp_path / "plan.json"
    done = command_line("plan.py", "data=svhn", "model=cnn5", f"paths.data={tmp_path}", f"plan.json={file}")
    assert done.returncode == 0, done.stderr
    (row,) = read_json(file)
    assert row["n_train"] == 73_257
