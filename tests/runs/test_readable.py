"""What an identity reads like: what tells the run from others of its folder, from the values that count alone."""

import logging
import re
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import overparam.runs.readable as room
from overparam.runs.identity import hash_of, identity, name_of, run_folder
from overparam.runs.names import LONGEST
from overparam.runs.summary import SUMMARY
from overparam.training.build import resolve
from tests.conftest import compose_config

# The digits are those that the version before gave these lines.
READ = {
    "": "mlp-w64-d1-p0-s0-f63add8443",
    "trainer=ddp": "mlp-w64-d1-p0-s0-f63add8443",
    "optimizer=sgd": "mlp-sgd-w64-d1-p0-s0-9c0d3069a9",
    "optimizer=adamw": "mlp-adamw-w64-d1-p0-s0-ed27db4bce",
    "optimizer=sgd scheduler=cosine": "mlp-sgd-cosine-w64-d1-p0-s0-36d72739de",
    "loss=mse module=sam data=cifar10 optimizer=sgd scheduler=warmup_cosine": (
        "mlp-cifar10-mse-sam-sgd-warmup_cosine-w64-d1-p0-s0-786535ea9e"
    ),
    "model=cnn3 data=fashion_mnist": "cnn-fashion_mnist-w8-p0-s0-4aa28743a8",
}


@pytest.mark.parametrize("line", READ)
def test_what_is_not_the_default_stands_in_the_name(line: str) -> None:
    assert identity(resolve(compose_config(*line.split()))) == READ[line]


def test_runs_that_are_one_read_alike_however_they_were_chosen() -> None:
    chosen = compose_config("optimizer=sgd")
    spelled = compose_config()
    spelled.optimizer = OmegaConf.create(OmegaConf.to_container(chosen.optimizer))
    assert identity(spelled) == identity(chosen) == READ["optimizer=sgd"]


def test_what_no_file_of_the_labs_names_goes_by_its_own_name() -> None:
    values = {"model._target_": "MLP", "optimizer._target_": "mine.rules.Lion", "loss": "mine.focal"}
    assert room.readable({**values, "optimizer.inner._target_": "mine.Inner"}, 99) == "mlp-focal-lion"
    assert room.readable({"module._target_": "mine.BarlowTwins", "seed": 3}, 99) == "barlowtwins-s3"


def test_several_files_of_one_class_do_not_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "CONFIGS", tmp_path)
    (tmp_path / "train.yaml").write_text("defaults:\n  - _self_\n  - scheduler: flat\n  - debug: null\n")
    (tmp_path / "scheduler").mkdir()
    for name, target in {
        "flat": "Flat",
        "also": "Flat",
        "one": "Cosine",
        "a": "StepLR",
        "b": "StepLR",
    }.items():
        (tmp_path / "scheduler" / f"{name}.yaml").write_text(f"# what it is\n_target_: mine.{target} # why\n")
    room._words.cache_clear()
    try:
        read = [
            room.readable({"scheduler._target_": f"mine.{name}"}, 99) for name in ("Flat", "Cosine", "StepLR")
        ]
    finally:
        room._words.cache_clear()
    assert read == ["model", "model-one", "model-steplr"]


def test_any_class_makes_the_name_of_a_folder() -> None:
    odd = {
        "model._target_": f"mine.{'Wide' * 99}",
        "loss": 'mine.<a>:"b"|c?*\\/ ünd',
        "model.width": 12,
        "seed": 7,
    }
    name = name_of(odd)
    assert re.fullmatch(r"[A-Za-z0-9_.-]+-w12-s7-[0-9a-f]{10}", name)
    assert len(name) == LONGEST
    short = name_of({"model._target_": "MLP", "loss": odd["loss"]})
    assert re.fullmatch(r"mlp-_a___b__c______nd-[0-9a-f]{10}", short)


def test_a_run_is_found_by_its_digits_and_two_folders_of_one_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name, old, copy = (f"{word}-s0-0123456789" for word in ("mlp-sgd", "mlp", "again"))
    assert run_folder(tmp_path / "absent", name) == tmp_path / "absent" / name
    for other in ("mlp-s1-1123456789", "studies", "0123456789", "mlp-0123456789-by-hand"):
        (tmp_path / other).mkdir()
    assert run_folder(tmp_path, name) == tmp_path / name
    (tmp_path / old).mkdir()
    assert run_folder(tmp_path, name) == run_folder(tmp_path, copy) == tmp_path / old
    assert not caplog.messages
    (tmp_path / copy).mkdir()
    (tmp_path / old / SUMMARY).touch()
    with caplog.at_level(logging.WARNING):
        assert run_folder(tmp_path, name) == run_folder(tmp_path, old) == tmp_path / old
    assert caplog.messages == [
        f"{tmp_path}: {copy} and {old} are one run, by their last digits; {old} is taken"
    ]
    assert hash_of(name) == hash_of(old) == "0123456789"
