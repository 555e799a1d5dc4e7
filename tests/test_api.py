"""The lab from Python, as in a notebook."""

import doctest
import os
import re
import signal
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

import overparam as op
from overparam.errors import ConfigError
from overparam.runs.identity import identity
from tests.conftest import CONFIGS, ROOT, compose_config
from tests.lab import write_lab
from tests.standins import write_standin
from tests.test_startup import HEAVY

SMALL = [
    "model.width=8",
    "data.n_train=60",
    "trainer.max_steps=20",
    "trainer.accelerator=cpu",
    "logger=local",
]


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """A working directory of a notebook's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    return tmp_path


@pytest.mark.parametrize("module", ["overparam", "overparam.api"])
def test_the_examples_of_the_docstrings(notebook, module):
    assert doctest.testmod(import_module(module)).failed == 0


def test_the_guide_runs_from_top_to_bottom(notebook, capsys):
    guide = (ROOT / ".github" / "docs" / "notebook.md").read_text()
    names: dict[str, object] = {}
    for example in re.findall(r"```python\n(.*?)```", guide, re.DOTALL):
        exec(example, names)
    assert "8 torch.Size([597, 10])" in capsys.readouterr().out


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, overparam; print(*dir(overparam)); print(*sys.modules)"
    names, modules = subprocess.check_output([sys.executable, "-c", code], text=True).splitlines()
    assert {"collect", "collect_steps", "compose", "load", "train"} <= set(names.split())
    assert {name.partition(".")[0] for name in modules.split()}.isdisjoint({*HEAVY, "hydra"})


def test_what_is_not_there_is_not_there():
    with pytest.raises(AttributeError, match="module 'overparam' has no attribute 'sweep'"):
        op.sweep  # noqa: B018


def test_a_config_is_the_command_lines(notebook):
    composed = op.compose(SMALL)
    assert composed.choices.model == "mlp"
    assert {key: composed[key] for key in composed if key != "choices"} == dict(compose_config(*SMALL))
    assert op.compose("seed=3").seed == 3


def test_a_mistake_is_one_line(notebook):
    with pytest.raises(ConfigError) as error:
        op.compose(["model=no_such_network"])
    assert "no_such_network" in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="there is no folder of configs"):
        op.compose(config_dir="nowhere")


def test_a_key_that_nothing_reads_is_refused_and_a_labs_own_group_is_not(notebook):
    with pytest.raises(ConfigError, match=r"traner: .* did you mean trainer\?"):
        op.compose(["+traner.max_steps=3"])
    group = notebook / "lab" / "configs" / "augmentation"
    group.mkdir(parents=True)
    (group / "rotation.yaml").write_text("degrees: 30\n")
    cfg = op.compose(["+augmentation=rotation", *SMALL], config_dir=notebook / "lab" / "configs")
    assert cfg.augmentation.degrees == 30
    assert identity(cfg) != identity(op.compose(SMALL))


def test_a_labs_own_configs_and_network(notebook, monkeypatch):
    lab = write_lab(notebook / "a lab's")
    monkeypatch.delenv("MINE", raising=False)
    cfg = op.compose(["experiment=mine", "model.width=3"], config_dir=lab / "configs")
    assert op.train(cfg)["params"] == 65 * 3 + 4 * 10
    assert os.environ.pop("MINE") == "from .env"


def test_hydra_stays_as_it_was(notebook):
    assert not GlobalHydra.instance().is_initialized()
    op.compose()
    assert not GlobalHydra.instance().is_initialized()
    with initialize_config_dir(str(CONFIGS / "model"), version_base="1.3"):
        theirs = GlobalHydra.instance().hydra
        assert op.compose(SMALL).model.width == 8
        with pytest.raises(ConfigError):
            op.compose(["no_such_key=1"])
        assert GlobalHydra.instance().hydra is theirs
        assert compose("mlp").width == 64


def test_training_leaves_nothing_behind_in_the_process(notebook):
    def process():
        handlers = [signal.getsignal(number) for number in signal.valid_signals()]
        return handlers, torch.get_num_threads(), torch.get_rng_state().tolist(), os.getcwd(), list(sys.path)

    op.compose()  # the working directory is on the path now
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        before = process()
        first = op.train(SMALL)
        assert process() == before
        assert op.train(op.compose(SMALL)) == first
        assert first["identity"] == identity(op.compose(SMALL))
    finally:
        torch.set_num_threads(threads)


def test_a_loaded_run_says_and_predicts_what_the_trained_one_did(notebook):
    summary = op.train([*SMALL, "model.norm=batch", "model.dropout=0.5", "trainer.precision=64-true"])
    run = op.load(notebook / "logs" / "runs" / summary["identity"])
    assert run.summary == summary
    assert run.cfg.model.width == 8
    outputs = run.predict(run.test.x)
    assert outputs.dtype == torch.float64
    assert not outputs.requires_grad
    assert (outputs.argmax(1) != run.test.y).double().mean().item() == summary["test_error"]
    assert torch.nn.functional.cross_entropy(outputs, run.test.y).item() == pytest.approx(
        summary["test_loss"]
    )
    run.net.train()  # someone looked at it otherwise
    for same in (run.test.x.numpy(), run.test.x.double().numpy(), run.test.x.tolist()):
        assert torch.equal(run.predict(same), outputs)


def test_images_are_predicted_as_they_are_stored(notebook):
    images = ["data=mnist", f"data.root={write_standin('mnist', notebook / 'data')}", "data.n_train=50"]
    summary = op.train([*images, "model.width=4", "trainer.max_steps=3", "logger=local"])
    run = op.load(f"logs/runs/{summary['identity']}")
    assert run.test.stored.dtype == torch.uint8
    assert torch.equal(run.predict(run.test.stored), run.predict(run.test.x))


def test_a_run_that_is_not_finished_is_not_loaded(notebook):
    with pytest.raises(ConfigError, match=r"has no summary\.json"):
        op.load("logs/runs/nothing")


def test_tables_become_those_of_pandas(notebook):
    summary = op.train(SMALL)
    runs = op.collect("logs/runs").to_pandas()
    assert runs["test_error"].tolist() == [summary["test_error"]]
    assert runs["model.width"].tolist() == [8]
    steps = op.collect_steps("logs/runs").to_pandas()
    assert np.array_equal(steps["step"].tail(1), [20])
