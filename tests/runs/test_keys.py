"""A key that nothing would ever read is refused before any work, with a guess at what was meant."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from overparam.errors import ConfigError
from overparam.runs.keys import refuse_unknown_keys
from tests.command_line import command_line
from tests.conftest import compose_config

GROUPS = {"data", "model", "optimizer", "experiment", "augmentation"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"optimzer": {"lr": 1}}, "optimzer: the config has no such key, .*; did you mean optimizer?"),
        ({"foo": {"bar": 3}}, "foo: the config has no such key, and no value refers to it$"),
        ({"foo": 3, "data": {"x": "${foobar}"}, "foobar": 1}, "^foo: "),
        ({"foo": {"bar": 3, "baz": "${foo.bar}"}}, "^foo: "),
        ({"experiment": {"x": 3}}, "^experiment: "),
        ({"sed": 0}, "did you mean seed?"),
    ],
)
def test_an_unknown_key_is_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as error:
        refuse_unknown_keys(OmegaConf.create(values), GROUPS)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "reference",
    ["${foo}", "${foo.bar}", "${.x}/${foo}", "${..foo}", "${oc.select:foo.bar,1}", "${f:1, ${foo}}"],
)
def test_a_key_that_a_value_refers_to_is_not(reference: str) -> None:
    refuse_unknown_keys(OmegaConf.create({"foo": {"bar": 3}, "data": {"x": [{"y": reference}]}}), GROUPS)


def test_a_config_of_the_labs_own_and_a_forks_group_pass() -> None:
    groups = {path.name for path in (Path("configs")).iterdir() if path.is_dir()}
    cfg = compose_config(
        "measures=norms", "clip_norm=1", "++retrain=true", "++members=file", "++plan.json=null"
    )
    refuse_unknown_keys(cfg, groups)
    refuse_unknown_keys(OmegaConf.create({"augmentation": {"strength": 1}}), GROUPS)


@pytest.mark.parametrize(
    ("script", "arguments", "said"),
    [
        ("train.py", ["+foo.bar=3"], "error: foo: the config has no such key"),
        ("train.py", ["-m", "+foo.bar=3", "seed=0,1"], "error: foo: the config has no such key"),
        ("train.py", ["-m", "experiment=mistyped"], "did you mean optimizer?"),
        ("plan.py", ["experiment=mistyped"], "did you mean optimizer?"),
        (
            "train.py",
            ["+callbacks.es._target_=no.such.Thing"],
            "callbacks.es._target_=no.such.Thing cannot be imported",
        ),
        (
            "train.py",
            ["-m", "+callbacks.es._target_=no.such.Thing"],
            "callbacks.es._target_=no.such.Thing cannot",
        ),
    ],
)
def test_a_command_with_an_unknown_key_ends_in_one_line(
    tmp_path: Path, script: str, arguments: list[str], said: str
) -> None:
    file = tmp_path / "configs" / "experiment" / "mistyped.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("# @package _global_\noptimzer: {lr: 1}\n")
    where = [f"paths.logs={tmp_path / 'logs'}", "logger=local"]
    run = command_line(script, "--config-dir", str(file.parents[1]), *arguments, *where)
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert line.startswith("error: ")
    assert said in line
    assert not (tmp_path / "logs").exists()
