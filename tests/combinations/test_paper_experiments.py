"""Paper-scale experiments: each composes, is counted, and trains a few steps on files of the genuine formats."""

import math
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from overparam.training.build import assemble
from overparam.training.run import train
from tests.conftest import CONFIGS, compose_config
from tests.standins import write_standin

FOLDER = CONFIGS / "experiment" / "paper"
EXPERIMENTS = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def swept(name: str) -> dict[str, list[str]]:
    """The values of every swept key, as command-line words."""
    params = OmegaConf.load(FOLDER / f"{name}.yaml").hydra.sweeper.params
    parser = OverridesParser.create()
    values = {}
    for key, words in params.items():
        override = parser.parse_override(f"{key}={words}")
        values[key] = [
            str(v) for v in (override.sweep_string_iterator() if override.is_sweep_override() else [words])
        ]
    return values


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_header_says_what_how_and_what_for(name):
    lines = (FOLDER / f"{name}.yaml").read_text().splitlines()
    header = "\n".join(line for line in lines if line.startswith("#"))
    for words in (f"python scripts/train.py -m experiment=paper/{name}\n", " et al. ", "GPU-hours", "Expect"):
        assert words in header.replace("Zagoruyko & Komodakis", "Zagoruyko et al. "), words


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_swept_value_can_be_had(name):
    cfg = compose_config(f"experiment=paper/{name}")
    assert cfg.name == name
    for key, values in swept(name).items():
        for value in values:
            OmegaConf.update(cfg, key, OmegaConf.create(f"value: {value}").value)
            assert assemble(cfg).params > 0


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_trains_a_few_steps_on_stand_in_data(name, tmp_path):
    """The smallest network the experiment has a knob for; its own batch size, schedule and augmentation."""
    cfg = compose_config(f"experiment=paper/{name}")
    data = str(cfg.data._target_).rpartition(".")[2].lower()
    folder = write_standin(data, tmp_path / "data", n_train=300, n_test=40)
    small = compose_config(
        *(f"experiment=paper/{name}", "model.width=1", "data.n_train=260", "trainer.max_steps=3"),
        *("trainer.accelerator=cpu", "evaluation.per_decade=1", "logger=local"),
        *(f"paths.data={folder}", f"paths.logs={tmp_path}"),
    )
    summary = train(small)
    assert summary["steps"] == 3
    assert math.isfinite(summary["train_loss"])
    assert Path(tmp_path, name, summary["identity"], "summary.json").exists()


@pytest.mark.parametrize(
    ("name", "overrides", "params"),
    [
        ("nakkiran_model_wise_resnet_cifar10", ["model.width=64"], 11_171_146),
        ("nakkiran_model_wise_cnn_cifar10", ["model.width=64"], 1_558_026),
        ("he_resnets_cifar10", ["model.depth=110"], 1_727_962),
        ("wrn_28_10_cifar10", [], 36_479_194),
        ("belkin_mnist", ["model.width=50"], 795 * 50 + 10),  # the paper's (d + 1) H + (H + 1) K
    ],
)
def test_the_papers_networks(name, overrides, params):
    assert assemble(compose_config(f"experiment=paper/{name}", *overrides)).params == params
