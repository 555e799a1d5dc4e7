"""The command of one run: what Hydra makes of it is the run."""

import shlex

import pytest

from overparam.analysis.collect import collect, collect_steps
from overparam.analysis.commands import as_typed, run_command
from overparam.analysis.local_page import page_data
from overparam.runs.identity import flat_values, identity
from tests.conftest import compose_config


@pytest.mark.parametrize(
    ("command", "values", "keys", "wanted"),
    [
        # What is swept on the command line is replaced where it stands, what a config sweeps is added.
        ("train.py -m a.b=1,2 c=x", {"a.b": 2}, ["a.b"], "a.b=2 c=x"),
        ("train.py -m experiment=x", {"a.b": 2, "seed": 0}, ["a.b", "seed"], "experiment=x a.b=2 seed=0"),
        # What follows from it is left to follow.
        (
            "train.py -m optimizer=adam,sgd",
            {"choices.optimizer": "sgd", "optimizer.lr": 0.1},
            ["choices.optimizer"],
            "optimizer=sgd",
        ),
        (
            "overparam-train --multirun +x.y=1,2 hydra/launcher=ray hydra.launcher.n=2",
            {"x.y": 1},
            ["x.y"],
            "overparam-train +x.y=1",
        ),
        ("train.py -m 'a.b=range(1,9)' --config-dir c", {"a.b": 3}, ["a.b"], "a.b=3 --config-dir c"),
        ("train.py -m clip_norm=null,1", {"clip_norm": None}, ["clip_norm"], "clip_norm=null"),
        # Of which one has run so far.
        ("train.py -m a.b=1,2 c.d=e", {"a.b": 1, "c.d": "E"}, [], "a.b=1 c.d=e"),
        ("train.py -m a.b=true,false", {"a.b": True}, ["a.b"], "a.b=true"),
        (
            "train.py -m model.target_params=1000,5000",
            {"model.target_params": 5000, "model.width": 66},
            ["model.target_params"],
            "model.target_params=5000",
        ),
        (
            "train.py -m callbacks=[a,b],[a]",
            {"choices.callbacks": "a,b"},
            ["choices.callbacks"],
            "'callbacks=[a,b]'",
        ),
        ("train.py -m loss=a,b", {"choices.loss": "a", "loss": "A"}, ["choices.loss"], "loss=a"),
        ("train.py -m loss=a,b", {"loss": "A"}, ["loss"], None),  # of before choices were recorded
        (
            "train.py -m init_from=x seed=0,1",
            {"init_from": "pretrained", "seed": 1},
            ["seed"],
            "init_from=x seed=1",
        ),
        ("train.py 'unbalanced", {}, [], None),
        (None, {"a.b": 1}, ["a.b"], None),
    ],
)
def test_the_command_of_a_run_is_that_of_its_sweep_with_its_own_values(command, values, keys, wanted):
    if command and "[" in command:
        command = shlex.join(command.split())
    made = run_command(command, values, keys)
    assert made == (
        wanted if wanted is None or wanted.startswith("overparam") else f"python scripts/train.py {wanted}"
    )


def test_another_program_is_called_as_it_was():
    assert as_typed("overparam-train -m") == "overparam-train -m"


@pytest.mark.parametrize(
    ("sweep", "own", "other", "keys"),
    [
        (["model.width=4,16", "seed=0,3"], ["model.width=16", "seed=3"], [], ["model.width", "seed"]),
        (
            ["experiment=sample_wise", "data.label_noise=0,0.2"],
            ["experiment=sample_wise", "data.label_noise=0.2", "data.n_train=300", "seed=2"],
            ["experiment=sample_wise", "data.label_noise=0", "data.n_train=200"],
            ["data.n_train", "data.label_noise", "seed"],
        ),
        (["optimizer=adam,sgd"], ["optimizer=sgd"], ["optimizer=adam"], ["choices.optimizer"]),
        (["clip_norm=null,1"], ["clip_norm=null"], ["clip_norm=1"], []),
        (["+data.note=a,'it\\'s; $HOME'"], ["+data.note='it\\'s; $HOME'"], ["+data.note=a"], ["data.note"]),
    ],
)
def test_hydra_makes_the_same_run_of_it(sweep, own, other, keys):
    """`own` is what Hydra's sweeper makes of one point of `sweep`, and `other` of another."""
    this, that = (
        {**flat_values(cfg), **choices(line)} for line in (own, other) for cfg in [compose_config(*line)]
    )
    values = {key: this.get(key) for key in {*this, *that}}  # as a table has them
    words = shlex.split(run_command(shlex.join(["train.py", "-m", *sweep]), values, keys))
    assert words[:2] == ["python", "scripts/train.py"]
    assert identity(compose_config(*words[2:])) == identity(compose_config(*own))


def choices(overrides):
    return {
        f"choices.{group}": name
        for group, name in (line.split("=", 1) for line in overrides)
        if group == "optimizer"
    }


def test_a_page_holds_a_command_for_each_run(sweep):
    runs = collect(sweep)
    data = page_data("sweep", runs, collect_steps(sweep), ["model.width"])
    assert data["columns"]["command"][0] == "python scripts/train.py model.width=16 seed=0"
