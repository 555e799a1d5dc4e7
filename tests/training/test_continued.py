"""continue_from: a finished run trained further, as a run of its own, with the numbers of one that never stopped."""

import shutil
from pathlib import Path

import pytest
import torch

from overparam.errors import ConfigError
from overparam.runs.continued import STATE
from overparam.runs.identity import identity
from overparam.runs.metrics import read_metrics
from overparam.training.build import resolve
from overparam.training.run import train
from tests.command_line import command_line
from tests.conftest import read_json

SHORT, LONG = "trainer.max_steps=37", "trainer.max_steps=90"
KINDS = {
    "adam": (),
    "sgd": ("optimizer=sgd", "optimizer.momentum=0.9", "data.batch_size=16"),
    "dropout": ("model.dropout=0.5", "data.batch_size=16"),
    "one by one": ("trainer.fused_steps=false", "data.batch_size=16"),
    "clipped": ("clip_norm=0.1",),
    "steps of its own": ("scheduler=multistep", "scheduler.milestones=[20,50]"),
}


def numbers(run_dir: Path) -> dict[str, object]:
    summary = read_json(run_dir / "summary.json")
    for key in ("identity", "name", "wall_seconds", "config"):
        del summary[key]
    return summary


def trained(small, *overrides: str) -> Path:
    cfg = resolve(small(*overrides))
    summary = train(cfg)
    return Path(cfg.paths.logs) / cfg.name / summary["identity"]


@pytest.mark.parametrize("kind", KINDS)
def test_it_equals_a_run_that_never_stopped(small, tmp_path, kind):
    knobs = KINDS[kind]
    whole = trained(small, "name=whole", LONG, *knobs)
    first = trained(small, "name=parts", SHORT, "keep_state=true", *knobs)
    second = trained(small, "name=parts", LONG, f"continue_from={first}", *knobs)
    assert str(read_metrics(second)) == str(read_metrics(whole))  # as text, for NaN equals no NaN
    assert numbers(second) == numbers(whole)
    weights, expected = (torch.load(run / "weights.pt", weights_only=True) for run in (second, whole))
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    record = read_json(second / "provenance.json")
    start = record["continued_from"]
    assert record["resumed_at"] == [37]
    assert (start["run"], start["state"]) == (first.name, str(first / STATE))
    assert read_json(first / "summary.json")["steps"] == 37  # it stays what it was
    assert not (second / STATE).exists()


def test_it_is_a_run_of_its_own_named_by_what_it_continues(small, tmp_path):
    first = trained(small, "name=parts", SHORT, "keep_state=true")
    read_otherwise = f"mlp-{first.name.rpartition('-')[2]}"  # by another version
    given = (str(first), first.name, read_otherwise, str(first.parent))
    names = {identity(resolve(small("name=parts", LONG, f"continue_from={text}"))) for text in given}
    assert len(names) == 1
    assert names.isdisjoint({first.name, identity(resolve(small("name=parts", LONG)))})
    # The clock's reading is in the file and not in the name; what was trained is.
    state = torch.load(first / STATE, weights_only=True)
    state["callbacks"]["Clock"]["time_elapsed"]["train"] += 1
    torch.save(state, first / STATE)
    assert {identity(resolve(small("name=parts", LONG, f"continue_from={first}")))} == names
    state["state_dict"]["net.layers.1.bias"][0] += 1
    torch.save(state, first / STATE)
    assert identity(resolve(small("name=parts", LONG, f"continue_from={first}"))) not in names


def test_again_and_again(small, tmp_path):
    first = trained(small, "name=parts", SHORT, "keep_state=true")
    second = trained(small, "name=parts", "trainer.max_steps=60", "keep_state=true", f"continue_from={first}")
    third = trained(small, "name=parts", LONG, f"continue_from={second}")
    assert numbers(third) == numbers(trained(small, "name=whole", LONG))
    assert train(resolve(small("name=parts", LONG, f"continue_from={second.name}")))["identity"] == third.name
    with pytest.raises(ConfigError, match="has 2 finished runs that are this one but shorter: name one"):
        resolve(small("name=parts", LONG, f"continue_from={first.parent}"))


def test_one_that_was_killed_goes_on_from_its_own_checkpoint(small, tmp_path, monkeypatch):
    first = trained(small, "name=parts", SHORT, "keep_state=true")
    longer = ("name=parts", LONG, f"continue_from={first}", "checkpoint_seconds=0.000001")
    cfg = resolve(small(*longer))

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("overparam.training.evaluation.Evaluation.finish", killed)
        with pytest.raises(KeyboardInterrupt):
            train(cfg)
    (checkpoint,) = first.parent.glob("*/last.ckpt")
    assert torch.load(checkpoint, weights_only=True)["global_step"] > 37
    (first / STATE).unlink()  # it is no longer needed
    train(cfg)
    assert numbers(checkpoint.parent) == numbers(trained(small, "name=whole", LONG))


BAD = {
    "continue_from=nowhere": "there is no such folder",
    "continue_from={first} model.width=3": "model.width was 64 and is 3, and a run continues as it was",
    "continue_from={first} trainer.max_steps=37": "that run has trained for 37 steps: set a larger trainer.max_steps",
    "continue_from={stateless} seed=1": "was trained without keep_state=true",
    "continue_from={cosine} scheduler=cosine seed=2": "its schedule follows trainer.max_steps",
    "continue_from={sweep} seed=5": "has no finished run that is this one but shorter",
    "keep_state=maybe": "keep_state must be true or false",
}


@pytest.fixture(scope="module")
def shorter(tmp_path_factory):
    from tests.conftest import compose_config

    logs = tmp_path_factory.mktemp("shorter")
    common = (
        "data.n_train=60",
        "trainer.accelerator=cpu",
        "logger=local",
        f"paths.logs={logs}",
        "name=s",
        SHORT,
    )
    cases = {"first": ["keep_state=true"], "stateless": ["seed=1"]}
    cases["cosine"] = ["keep_state=true", "scheduler=cosine", "seed=2"]
    runs = {name: train(compose_config(*common, *more))["identity"] for name, more in cases.items()}
    return {name: logs / "s" / run for name, run in runs.items()} | {"sweep": logs / "s"}


@pytest.mark.parametrize("overrides", BAD)
def test_what_cannot_be_continued_is_said_in_one_line(small, tmp_path, shorter, overrides):
    with pytest.raises(ConfigError) as caught:
        train(small(LONG, *overrides.format(**shorter).split()))
    assert BAD[overrides] in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_state_that_changed_since_is_refused(small, tmp_path):
    first = trained(small, "name=parts", SHORT, "keep_state=true")
    cfg = resolve(small("name=parts", LONG, f"continue_from={first}"))
    (first / STATE).unlink()
    with pytest.raises(ConfigError, match="is gone, or is not what this run continues"):
        train(cfg)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]"])
def test_a_damaged_run_is_not_continued_and_costs_no_other(small, tmp_path, shorter, content):
    sweep = tmp_path / "copied"
    shutil.copytree(shorter["sweep"], sweep)
    first, other = sweep / shorter["first"].name, sweep / shorter["stateless"].name
    (other / "summary.json").write_bytes(content)
    assert resolve(small(LONG, f"continue_from={sweep}")).continue_from.run == first.name
    (first / STATE).write_bytes(content)
    for given in (sweep, first):
        with pytest.raises(ConfigError, match=r"^continue_from: .*state.ckpt is damaged: "):
            resolve(small(LONG, f"continue_from={given}"))
    (first / "summary.json").write_bytes(content)
    with pytest.raises(ConfigError, match=r"summary.json is damaged .*trains it again$"):
        resolve(small(LONG, f"continue_from={first}"))


def test_a_sweep_continues_each_of_its_runs(tmp_path):
    common = (
        "-m",
        "seed=0,1",
        "name=grid",
        f"paths.logs={tmp_path}",
        "data.n_train=60",
        "logger=local",
        "pack=all",
    )
    for more in ([SHORT, "keep_state=true"], [LONG, f"continue_from={tmp_path}/grid"]):
        done = command_line("train.py", *common, *more)
        assert done.returncode == 0, done.stderr
    records = [read_json(path) for path in tmp_path.glob("grid/*/provenance.json")]
    starts = [record["continued_from"] for record in records if record["continued_from"]]
    assert len(records) == 4
    assert len({start["run"] for start in starts}) == 2
