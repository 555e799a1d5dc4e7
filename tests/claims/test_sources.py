import json
from dataclasses import replace

import polars as pl
import pytest

from overparam.claims import sources
from overparam.claims.claim import Claim, Prediction
from overparam.claims.sampling import at_most, standard_error, with_samples
from overparam.claims.trained import Setup
from overparam.errors import ConfigError

TINY = [
    *("model.width=2,4", "trainer.max_steps=10", "data.n_train=40", "trainer.accelerator=cpu"),
    "hydra.launcher.cpu_slots=1",
]
PLAIN = {"plain": TINY}


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    return Setup(tmp_path_factory.mktemp("logs"), (0, 1))


def test_runs_trains_what_is_missing_for_the_asked_seeds_only(tmp_path):
    setup = Setup(tmp_path, (0, 1))
    table, names = sources.runs(setup, "random_labels", PLAIN)
    assert set(table["seed"]) == {0, 1}
    assert set(table["model.width"]) == {2, 4}
    assert set(table["sweep"]) == {"plain"}
    assert (
        set(names) == set(table["identity"]) == {p.parent.name for p in setup.logs.glob("*/*/summary.json")}
    )
    written = {path: path.stat().st_mtime_ns for path in setup.logs.glob("*/*/summary.json")}
    reach, _ = sources.steps(
        setup, "random_labels", PLAIN, reach={"never": {"train_loss": -1.0}, "at_once": {"train_loss": 99}}
    )
    assert {path: path.stat().st_mtime_ns for path in written} == written  # trained once
    assert set(reach["never"]) == {20}
    assert set(reach["at_once"]) == {0}
    one, _ = sources.runs(Setup(setup.logs, (1,)), "random_labels", PLAIN)
    assert set(one["seed"]) == {1}


def test_runs_give_their_results_on_every_test_sample(setup):
    rows, names = sources.steps(setup, "random_labels", PLAIN)
    folders = [path.parent for path in setup.logs.glob("*/*/summary.json") if path.parent.name in names]
    kind = {
        "_target_": "overparam.claims.effects.difference",
        "says": "",
        "value": "test_error",
        "above": 0.0,
    }
    of, minus = ({"model.width": width, "step": 10, "data.label_noise": 0.9} for width in (2, 4))
    effect = Prediction(**kind, of=of, minus=minus)
    early = Prediction(**kind, of=of, minus={**minus, "step": 1})
    found = with_samples(Claim.model_construct(effects={"": effect}), rows, folders)
    last = found.filter(step=10)
    assert last["test_error_by_sample"].list.mean().to_list() == pytest.approx(last["test_error"].to_list())
    assert 0 < standard_error(effect, found) <= at_most(effect, rows, folders[0])
    assert standard_error(early, found) is None


def test_finished_runs_of_other_code_are_named(setup, caplog):
    _, names = sources.runs(setup, "random_labels", PLAIN)
    assert "other code" not in caplog.text
    (path,) = setup.logs.glob(f"*/{names[0]}/provenance.json")
    before = path.read_text()
    then = json.loads(before)
    path.write_text(json.dumps({**then, "sources": dict.fromkeys(then["sources"], "0" * 16)}))
    sources.runs(setup, "random_labels", PLAIN)
    path.write_text(before)
    assert f"1 of {len(names)} finished runs was made by other code" in caplog.text


def test_other_runs_in_the_folder_do_not_reach_the_table(setup):
    before, _ = sources.runs(setup, "random_labels", PLAIN)
    other, _ = sources.runs(setup, "random_labels", {"other": [*TINY, "data.label_noise=0.5"]})
    again, _ = sources.runs(setup, "random_labels", PLAIN)
    assert set(again["identity"]) == set(before["identity"])
    assert not set(other["identity"]) & set(before["identity"])
    both, names = sources.runs(setup, "random_labels", {**PLAIN, "other": [*TINY, "data.label_noise=0.5"]})
    assert set(both.filter(sweep="other")["identity"]) == set(other["identity"])
    assert len(names) == len(set(names)) == len(both)


def test_a_study_sees_the_runs_of_the_claim_only(setup):
    few = [*TINY, "model.width=3", "data.label_noise=0"]
    table, names = sources.studied(setup, "random_labels", "lottery_ticket", few, rounds=1)
    assert set(table["model.width"]) == {3}
    assert set(table["identity"]) == set(names)
    assert sorted(table["seed"].unique()) == [0, 1]


def test_experiments_groups_and_studies_of_a_folder_of_configs(setup, tmp_path):
    files = {
        "augmentation/weak.yaml": "std: 0.01\n",
        "augmentation/strong.yaml": "std: 1.0\n",
        "experiment/mine.yaml": "# @package _global_\ndefaults:\n  - /augmentation: weak\nname: mine\n",
        "study/mine.yaml": "_target_: overparam.studies.pruning.lottery_ticket\ngroup: run\nrounds: 2\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    own = replace(setup, config_dir=tmp_path, seeds=(0,))
    both, _ = sources.runs(own, "mine", {"weak": TINY, "strong": [*TINY, "augmentation=strong"]})
    assert both.group_by("sweep").agg(pl.col("augmentation.std").unique()).sort("sweep").rows() == [
        ("strong", [1.0]),
        ("weak", [0.01]),
    ]
    assert both["identity"].n_unique() == 4
    table, _ = sources.studied(own, "mine", "mine", [*TINY, "model.width=2"], amount=0.5)
    assert table["round"].to_list() == [0, 1, 2]
    assert table["weights_left"][1] < 0.6
    with pytest.raises(ConfigError, match="there is no experiment=mine"):
        sources.runs(setup, "mine")


def test_a_sweep_that_cannot_train_says_why(setup):
    with pytest.raises(ConfigError, match="width must be greater than 0"):
        sources.runs(setup, "random_labels", {"": ["model.width=0"]})
    with pytest.raises(ConfigError, match=r"model\.widht"):
        sources.runs(setup, "random_labels", {"": ["model.widht=3"]})


def test_a_study_of_several_training_sets_is_a_row_for_each_of_the_ledgers_seeds(tmp_path):
    tiny = ["model.width=2,3", "trainer.max_steps=3", "data.n_train=20", "trainer.accelerator=cpu"]
    setup = Setup(tmp_path, (1, 4))
    drawn = {"replicate": "data.seed", "members": 3, "sets": 2}
    table, names = sources.studied(setup, "bias_variance", "bias_variance", tiny, **drawn)
    assert len(names) == 2 * 2 * 3 * 2
    rows = table.select("seed", "model.width", "data.seed").rows()
    assert sorted(rows) == [(1, 2, 2), (1, 3, 2), (4, 2, 8), (4, 3, 8)]
    assert set(table["training_sets"]) == {2}
    assert set(table["initializations"]) == {3}
    with pytest.raises(ConfigError, match=r"give source\.members too"):
        sources.studied(setup, "bias_variance", "bias_variance", tiny, replicate="data.seed", sets=2)
