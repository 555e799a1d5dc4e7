"""What was chosen of every group is recorded beside the config, and changes no identity."""

from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf, open_dict

import overparam as op
from overparam.errors import ConfigError
from overparam.runs.choices import record_choices
from overparam.runs.identity import identity
from tests.command_line import command_line
from tests.conftest import read_json

SMALL = ("data.n_train=20", "trainer.max_steps=2", "model.width=3", "logger=local", "trainer.accelerator=cpu")


def test_a_config_says_what_was_chosen_and_its_identity_does_not(small: Callable[..., DictConfig]) -> None:
    words = ["optimizer=sgd", "callbacks=[ema,lr_monitor]", "~scheduler", "optimizer.lr=0.3"]
    cfg = op.compose(words)
    assert cfg.choices.optimizer == "sgd"
    assert cfg.choices.model == "mlp"
    assert cfg.choices.callbacks == ["ema", "lr_monitor"]
    assert cfg.choices.measures is None
    assert "scheduler" not in cfg.choices
    assert not [group for group in cfg.choices if group.startswith("hydra")]
    without = cfg.copy()
    with open_dict(without):
        del without["choices"]
    assert identity(cfg) == identity(without)


@pytest.mark.parametrize(
    "how", [[], ["-m"], ["-m", "pack=all", "seed=0,1"], ["-m", "hydra/launcher=local"]], ids=" ".join
)
def test_every_way_to_train_records_the_choices(tmp_path: Path, how: list[str]) -> None:
    words = (*SMALL, f"paths.logs={tmp_path}", "optimizer=sgd", "measures=[norms]")
    done = command_line("train.py", *how, *words)
    assert done.returncode == 0, done.stderr
    runs = list((tmp_path / "runs").glob("mlp-*"))
    assert runs
    for run in runs:
        config = OmegaConf.load(run / "config.yaml").choices
        assert (config.optimizer, config.measures, config.loss) == ("sgd", ["norms"], "auto")
        assert read_json(run / "summary.json")["choices"] == config


def test_python_records_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = op.train([*SMALL, f"paths.logs={tmp_path}", "optimizer=adamw"])
    assert summary["choices"]["optimizer"] == "adamw"
    assert op.collect(tmp_path / "runs")["choices.optimizer"].to_list() == ["adamw"]


def test_a_key_of_this_name_is_not_overwritten() -> None:
    with pytest.raises(ConfigError, match="rename yours"):
        record_choices(OmegaConf.create({"choices": {"mine": 1}}), {}, [])
    with pytest.raises(ConfigError, match="rename yours"):
        op.compose(["+choices.mine=1"])
