"""The example of configs/local/README.md, followed to the letter, works with every choice it could meet."""

import re

import pytest

from overparam.training.build import assemble
from tests.conftest import CONFIGS, compose_config

README = (CONFIGS / "local" / "README.md").read_text()


@pytest.mark.parametrize("choice", ["seed=0", "debug=fast", "logger=local", "logger=[wandb,csv]"])
def test_the_example_composes_and_is_a_run(tmp_path, choice):
    (example,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "default.yaml").write_text(example)
    cfg = compose_config(f"hydra.searchpath=[file://{tmp_path}]", choice)
    assert cfg.paths.logs == "/scratch/me/overparam"
    assemble(cfg)
