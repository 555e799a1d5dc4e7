"""Sealed and sequential claims, and ledgers pooled, through the command in this process."""

import json
import sys
from dataclasses import replace

import pytest
from omegaconf import OmegaConf

from overparam.claims.ledger import read_entries
from overparam.claims.merge import merge
from overparam.claims.seal import Seal, read_seals, said_of_seal, seal_file
from overparam.commands.claims import main
from overparam.errors import ConfigError
from tests.claims.test_claim_files import GOOD
from tests.conftest import read_json

EXACT = "overparam.claims.sources.exact"
MODEL = """
import numpy as np

def model(seed, shift):
    return [{"x": 0, "y": shift + 0.1 * float(np.random.default_rng(seed).standard_normal())}]
"""


@pytest.fixture
def claims(tmp_path, monkeypatch, capsys):
    """Call the command with words, in a folder with a model; returns code, output and errors."""
    (tmp_path / "sealed_model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("sealed_model", None)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["claims.py", *words])
        capsys.readouterr()
        code = main()
        return (code, *capsys.readouterr())

    return call


def write(folder, name="mine", **changes):
    claim = OmegaConf.create(GOOD)
    claim.source = {"_target_": "overparam.claims.sources.exact", "model": "sealed_model.model", "shift": 1.0}
    claim.effects.benign = {
        **{"says": "y", "_target_": "overparam.claims.effects.difference", "value": "y", "of": {"x": 0}},
        **{"above": 0.9, "smallest": 0.1},
    }
    claim.sequential = {"pilot": 5, "budget": 60}
    claim.covers = "y"
    claim.figure = {"x": "x", "y": ["y"]}
    for key, value in changes.items():
        OmegaConf.update(claim, key.replace("__", "."), value)
    OmegaConf.save(claim, folder / f"{name}.yaml")
    return f"{name}.yaml"


def test_a_claim_sealed_and_judged_by_as_many_seeds_as_it_takes(claims, tmp_path):
    file = write(tmp_path)
    code, said, errors = claims("seal", "--only", file)
    assert code == 0, errors
    assert "mine: sealed 20" in said
    (made,) = read_seals(tmp_path / file)
    assert len(made.pilot["benign"].values) == 5
    assert made.needed == made.pilot["benign"].needed > 5
    assert set(made.code) >= {
        "sealed_model.py",
        "overparam/claims/intervals.py",
        "overparam/claims/effects.py",
    }

    code, said, errors = claims("--only", file)
    assert code == 0, errors
    (entry,) = read_entries(tmp_path / "logs" / "claims")
    assert entry.verdict == "holds"
    assert entry.seeds == list(range(5, 5 + len(entry.seeds)))  # none of the pilot's
    assert len(entry.seeds) in (8, 12, 18, 27, 41, 60)  # five did not decide
    assert "seeds, any time): holds" in said
    assert f"sealed {made.time}, before its data" in said
    assert "over its seeds vary: y" in said
    record = read_json(tmp_path / "logs" / "claims" / "mine.json")
    assert record["effects"][0]["interval"] == "any time"
    assert record["effects"][0]["verdict"] == record["verdict"] == "holds"
    assert record["seal"]["needed"] == made.needed
    assert record["definition"]["effects"]["benign"]["above"] == 0.9
    assert record["code"] == made.code

    # Judged again it is the same, and still as old; the seal can not be made again.
    claims("--only", file)
    (again,) = read_entries(tmp_path / "logs" / "claims")
    assert (again.effects, again.began) == (entry.effects, entry.began)
    code, _, errors = claims("seal", "--only", file)
    assert code == 1
    assert "were judged before: a seal is older than its data" in errors

    # Another bound voids the seal, other code is named.
    write(tmp_path, effects__benign__above=0.8)
    _, said, _ = claims("--only", file)
    assert f"seal of {made.time} void: the rule was changed after it (effects.benign.above)" in said
    write(tmp_path)
    (tmp_path / "sealed_model.py").write_text(f"{MODEL}\n# changed\n")
    _, said, _ = claims("--only", file)
    assert "code changed since: sealed_model.py" in said


def test_at_its_bound_a_claim_stays_open_and_says_what_is_excluded(claims, tmp_path):
    file = write(tmp_path, effects__benign__above=1.0, sequential__budget=30, effects__benign__smallest=0.5)
    _, said, _ = claims("--only", file)
    (entry,) = read_entries(tmp_path / "logs" / "claims")
    assert len(entry.seeds) == 30
    assert "30 seeds, any time): inconclusive, less than" in said
    assert "are excluded" in said
    assert "not sealed" in said


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sequential__budget": 6}, "a budget of 6 seeds does not see a distance of 0.1 with a power of 90%"),
        ({"source__model": "sealed_constant.model"}, "is 1 for all seeds of its pilot: it is arithmetic"),
    ],
)
def test_what_no_seed_can_decide_is_not_sealed(claims, tmp_path, changes, message):
    (tmp_path / "sealed_constant.py").write_text(
        "def model(seed, shift):\n    return [{'x': 0, 'y': shift}]\n"
    )
    file = write(tmp_path, **changes)
    code, _, errors = claims("seal", "--only", file)
    assert code == 1
    assert message in errors
    assert not seal_file(tmp_path / file).exists()


def test_runs_that_exist_are_older_than_a_seal(claims, tmp_path):
    claim = OmegaConf.create(GOOD)
    claim.source = {"_target_": "overparam.claims.sources.runs", "experiment": "random_labels"}
    claim.effects.benign.value, claim.effects.benign.of = "test_error", {"data.label_noise": 0}
    claim.effects.benign.above, claim.effects.benign.below = 0.1, 0.9
    claim.seeds = 2
    OmegaConf.save(claim, tmp_path / "runs.yaml")
    assert claims("seal", "--only", "runs.yaml")[0] == 0
    (made,) = read_seals(tmp_path / "runs.yaml")
    assert len(made.runs) == 4
    assert "overparam" in made.code
    seal_file(tmp_path / "runs.yaml").unlink()
    (tmp_path / "logs" / "random_labels" / made.runs[0]).mkdir(parents=True)
    code, _, errors = claims("seal", "--only", "runs.yaml")
    assert code == 1
    assert "1 of its 4 runs exist" in errors


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("seal",), "seal needs --only"),
        (("seal", "--only", "mine.yaml", "--seeds", "1", "2"), "seal takes no --seeds"),
        (("sael",), "claims takes seal, or merge and ledgers, or options alone, got sael"),
        (("merge", "a"), "merge needs two ledgers"),
        (("merge", "a", "b"), "there is no ledger a"),
        (("merge", "a", "logs/claims/merged"), "logs/claims/merged is where the pool goes"),
        (("merge", "logs/claims/merged/mine.json", "a"), "is where the pool goes"),
        (("--only", "mine.yaml", "--seeds", "5", "-6"), "--seeds must be 0 or more, got -6"),
        (("--only", "mine.yaml", "--seeds", "5", "6", "5"), "--seeds names a seed twice: 5 6 5"),
        (("--only", "mine.yaml", "other/mine.yaml"), "--only names mine twice"),
        (("--only", "01_model_wise", "01_model_wise.yaml"), "--only names 01_model_wise twice"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(claims, tmp_path, words, message):
    write(tmp_path)
    code, _, errors = claims(*words)
    assert code == 2
    assert errors.startswith("error: ")
    assert message in errors
    assert len(errors.splitlines()) == 1


def test_a_seed_of_the_pilot_is_never_judged(claims, tmp_path):
    code, _, errors = claims("--only", write(tmp_path), "--seeds", "4", "5")
    assert code == 1
    assert "seed 4 is of its pilot, which is never judged: take 5 on" in errors


def test_a_seal_that_is_younger_than_the_data_says_so(claims, tmp_path):
    from overparam.claims.claim import load_claim

    claim = load_claim(tmp_path / write(tmp_path))
    sealed = Seal("2026-01-02T00:00:00+00:00", claim.digest, claim.definition, [], {"a.py": "1"})
    assert said_of_seal([], claim, {}, None) == "not sealed"
    assert "not on record" in said_of_seal([sealed], claim, {"a.py": "1"}, None)
    late = said_of_seal([sealed], claim, {"a.py": "1"}, "2026-01-01T00:00:00+00:00")
    assert late.endswith("too late: its data were begun 2026-01-01T00:00:00+00:00")


def test_ledgers_of_two_labs_are_pooled(claims, tmp_path):
    file = write(tmp_path, seeds=3)
    labs = [("5", "6", "7", "8"), ("8", "9", "10")]
    for seeds in labs:
        claims("--only", file, "--seeds", *seeds)
    folders = [str(tmp_path / "logs" / "claims" / f"seeds-{'-'.join(seeds)}") for seeds in labs]
    code, said, errors = claims("merge", *folders)
    assert code == 0, errors
    assert "seeds in both, counted once: 8" in said
    assert "other code" not in said
    (pooled,) = read_entries(tmp_path / "logs" / "claims" / "merged")
    assert pooled.seeds == [5, 6, 7, 8, 9, 10]
    claims("--only", file, "--seeds", *map(str, pooled.seeds))
    (whole,) = read_entries(tmp_path / "logs" / "claims" / "seeds-5-6-7-8-9-10")
    assert pooled.effects == whole.effects

    # Versions of the lab call a run otherwise: its digits say which it is.
    first, second = (
        replace(read_entries(tmp_path / name)[0], runs=["mlp-s8-0123456789"]) for name in folders
    )
    (run,) = merge([first, replace(second, runs=["mlp-sgd-s8-0123456789"])])[0].runs
    assert run.endswith("-0123456789")
    with pytest.raises(ConfigError, match="seed 8 is in both, with other runs"):
        merge([first, replace(second, runs=["mlp-s8-1123456789"])])

    # Other values and other code are said, another rule is refused, and nothing of it stays in the ledger.
    other = tmp_path / "other"
    other.mkdir()
    record = json.loads((tmp_path / folders[1] / "mine.json").read_text())
    record["effects"][0]["values"][0] += 1
    record["code"]["sealed_model.py"] = "0"
    (other / "mine.json").write_text(json.dumps(record))
    _, said, _ = claims("merge", folders[0], str(other))
    assert "benign differs in both for seed 8: that of the first counts" in said
    assert "made by other code: sealed_model.py" in said
    (other / "mine.json").write_text(json.dumps({**record, "digest": "another"}))
    code, _, errors = claims("merge", folders[0], str(other))
    assert code == 1
    assert errors.startswith("mine: cannot be pooled: it was judged by two rules")
    assert len(errors.splitlines()) == 1
    assert not read_entries(tmp_path / "logs" / "claims" / "merged")


def test_a_folder_that_is_no_ledger_stays_as_it_was(claims, tmp_path):
    others = tmp_path / "others"
    (others / "folder.json").mkdir(parents=True)
    for name, content in (("package.json", "{}"), ("notes.json", "no JSON")):
        (others / name).write_text(content)
    before = sorted(path.name for path in others.iterdir())
    code, _, errors = claims("merge", str(others), str(others))
    assert code == 2
    assert f"{others} has no judged claim" in errors
    assert sorted(path.name for path in others.iterdir()) == before


def test_texts_of_a_claim_break_neither_the_table_nor_the_terminal(claims, tmp_path):
    says = "|y|\x1b[2J grows\nfast"
    _, said, errors = claims(
        "--only",
        write(tmp_path, claim="a | b\n\n# c", effects__benign__says=says, effects__benign__above=0.5),
    )
    assert "\x1b" not in said + errors
    assert "\\x1b[2J" in said
    (row,) = (tmp_path / "logs" / "claims" / "ledger.md").read_text().splitlines()[2:]
    assert len(row.replace("\\|", "").split("|")) == 8
    assert "a \\| b # c" in row


def test_a_published_ledger_that_cannot_be_read_is_one_line(claims, tmp_path):
    file = tmp_path / ".github" / "figures" / "claims" / "claims.json"
    file.parent.mkdir(parents=True)
    file.write_text('[{"number": 1,')
    code, _, errors = claims("seal", "--only", write(tmp_path))
    assert code == 2
    assert errors.startswith("error: ")
    assert "claims.json is damaged" in errors
    assert len(errors.splitlines()) == 1


def test_a_claim_with_a_mistake_in_its_code_stops_no_other(claims, tmp_path):
    (tmp_path / "own.py").write_text("def model(seed, shift):\n    return {}['k']\n")
    broken = write(tmp_path, "broken", source={"_target_": EXACT, "model": "own.model"})
    figure = write(tmp_path, "figure", figure__y=["nope"])
    code, said, errors = claims("--only", broken, figure, write(tmp_path), "--seeds", *map(str, range(5, 80)))
    assert code == 1
    assert "mine: holds" in said
    first, second = errors.splitlines()[-2:]
    assert first == f"broken: could not be judged: KeyError: 'k' ({tmp_path}/own.py:2)"
    assert second.startswith("figure: could not be judged: ColumnNotFoundError: ")
    (out,) = (tmp_path / "logs" / "claims").glob("seeds-5-to-79-*")  # a name of all seeds would be too long
    assert [entry.name for entry in read_entries(out)] == ["mine"]
