"""init_from: a run that starts from the weights of another, and is another run for it."""

import shutil
from itertools import product

import pytest
import torch

from overparam.errors import ConfigError
from overparam.runs.identity import flat_values, identity
from overparam.runs.pretrained import may_name_weights
from overparam.training.build import assemble, resolve
from overparam.training.run import train
from tests.command_line import command_line


@pytest.fixture
def pretrained(small, tmp_path):
    """The directory of a finished run, width 3, seed 1."""
    cfg = small("name=old", "model.width=3", "seed=1")
    train(cfg)
    return tmp_path / "old" / identity(resolve(cfg))


NEW = ("model.width=3", "seed=1", "trainer.max_steps=3", "data.classes=[0,1,2]")


def test_it_starts_there_and_only_the_readout_is_drawn(small, pretrained):
    trained = torch.load(pretrained / "weights.pt", weights_only=True)
    drawn = assemble(small(*NEW)).build_module().net.state_dict()
    start = assemble(small(*NEW, f"init_from={pretrained}/weights.pt")).build_module().net.state_dict()
    assert torch.equal(start["layers.1.weight"], trained["layers.1.weight"])
    assert torch.equal(start["layers.3.weight"], drawn["layers.3.weight"])
    assert start["layers.3.weight"].shape[0] == 3


def test_the_identity_is_of_what_the_weights_are_not_of_where(small, pretrained, tmp_path):
    file, run, sweep = (
        f"init_from={path}" for path in (pretrained / "weights.pt", pretrained, tmp_path / "old")
    )
    copy = tmp_path / "copy.pt"
    shutil.copyfile(pretrained / "weights.pt", copy)
    names = {identity(resolve(small(*NEW, start))) for start in (file, run, sweep, f"init_from={copy}")}
    assert len(names) == 1
    assert names != {identity(resolve(small(*NEW)))}
    assert "init_from" not in str(flat_values(resolve(small(*NEW))))  # runs made before keep their names
    state = torch.load(copy, weights_only=True)
    state["layers.1.bias"][0] += 1
    torch.save(state, copy)
    assert identity(resolve(small(*NEW, f"init_from={copy}"))) not in names


def test_a_sweeps_folder_gives_each_run_its_own(small, tmp_path):
    for width, seed in product((2, 3), (0, 1)):
        train(small("name=old", f"model.width={width}", f"seed={seed}", "trainer.max_steps=3"))
    options = [f"paths.logs={tmp_path}", "logger=local", "data.n_train=40", "trainer.max_steps=3", "seed=0,1"]
    start = "init_from=${paths.logs}/old,null"
    done = command_line("train.py", "-m", "name=new", "model.width=2,3", start, *options)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "new").glob("*/summary.json"))) == 8
    missing = command_line("train.py", "-m", "name=new", "model.width=2,4", start, *options)
    assert missing.returncode == 2
    assert missing.stderr.startswith(
        f"error: init_from={tmp_path}/old has no finished run with this model and seed=0"
    )


def test_weights_that_are_gone_or_others_are_said(small, pretrained, tmp_path):
    with pytest.raises(ConfigError, match="there is no such file or folder"):
        resolve(small(*NEW, f"init_from={tmp_path}/nowhere"))
    cfg = resolve(small(*NEW, f"init_from={pretrained}"))
    torch.save({}, pretrained / "weights.pt")
    with pytest.raises(ConfigError, match="is gone, or is not what this run started from"):
        assemble(cfg)
    with pytest.raises(ConfigError, match="it is of another network"):
        assemble(small(*NEW, f"init_from={pretrained}"))


def test_a_text_longer_than_a_files_name_names_no_weights():
    assert not may_name_weights({"mine.prompt": "y" * 300, "mine.other": "\0"})
    assert may_name_weights({"mine.prompt": __file__})


@pytest.mark.parametrize("content", [b"", b"root:x:0:0\n", b"\x80\x02.", b"PK\x03\x04", b"(lp0\n."])
def test_what_holds_no_weights_is_said_so(small, tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ConfigError, match=r"file holds no (weights|state dict)"):
        assemble(small(f"init_from={tmp_path}/file"))
    with pytest.raises(ConfigError, match="init_from=/dev/null: there is no such file or folder"):
        assemble(small("init_from=/dev/null"))
