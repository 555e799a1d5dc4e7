"""The ledger through its command: a false claim, a true one, one that cannot be judged, bad input, publishing."""

import csv
import json
import shutil
from dataclasses import replace

import pytest
from omegaconf import OmegaConf

from overparam.claims.claim import claim_files, load_claim
from overparam.claims.ledger import read_entries, save_entry
from overparam.claims.publish import publish
from overparam.errors import ConfigError
from tests.claims.test_claim_files import GOOD
from tests.command_line import command_line
from tests.conftest import read_json


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    """A ledger of three claims over three seeds, made by the command."""
    folder = tmp_path_factory.mktemp("ledger")
    # The isotropic covariance is not benign: the claim is false. The opposite is true.
    (folder / "false.yaml").write_text(GOOD)
    true = OmegaConf.create(GOOD)
    true.number, true.claim = 98, "Isotropic interpolation is not benign"
    true.effects.benign.above = 1.5
    del true.effects.benign["below"]
    OmegaConf.save(true, folder / "true.yaml")
    broken = OmegaConf.create(GOOD)
    broken.effects.benign.of = {"p": 71}
    OmegaConf.save(broken, folder / "broken.yaml")
    files = [str(folder / f"{name}.yaml") for name in ("false", "true", "broken")]
    done = command_line("claims.py", "--only", *files, "--seeds", "0", "1", "2", "--logs", str(folder))
    return folder / "claims" / "seeds-0-1-2", done


def test_a_false_claim_does_not_hold_and_a_true_one_does(ledger):
    out, done = ledger
    assert "false: does not hold" in done.stdout
    assert "true: holds" in done.stdout
    assert [(e.name, e.verdict) for e in read_entries(out)] == [("true", "holds"), ("false", "does not hold")]
    rows = [line.split(" | ") for line in (out / "ledger.md").read_text().splitlines()[2:]]
    assert [row[2] for row in rows] == [
        "**holds** (1 of 1 effect holds)",
        "**does not hold** (0 of 1 effect hold)",
    ]
    assert "3 seeds" in rows[0][3]
    assert rows[0][4] == "before the runs<br>not sealed"
    assert (out / "false.png").stat().st_size > 1000


def test_one_that_cannot_be_judged_stops_no_other(ledger):
    out, done = ledger
    assert done.returncode == 1
    assert done.stderr.strip() == "broken: could not be judged: seed 0 has no row with {'p': 71}"
    assert not (out / "broken.json").exists()


def test_a_claim_of_a_folder_of_configs_is_known_by_its_name(tmp_path):
    (tmp_path / "own_model.py").write_text(
        "def model(seed, x):\n    return [{'x': x, 'y': 1 + 0.1 * seed}]\n"
    )
    claim = OmegaConf.create(GOOD)
    claim.source = {"_target_": "overparam.claims.sources.exact", "model": "own_model.model", "x": 2}
    claim.effects.benign.value, claim.effects.benign.of = "y", {"x": 2}
    claim.figure = {"x": "x", "y": ["y"]}
    (tmp_path / "configs" / "claim").mkdir(parents=True)
    OmegaConf.save(claim, tmp_path / "configs" / "claim" / "own.yaml")
    folders = ("--config-dir", str(tmp_path / "configs"), "--logs", str(tmp_path / "logs"))
    own = (*folders, "--seeds", "0", "1", "2")
    done = command_line("claims.py", "--only", "own", *own)
    assert done.returncode == 0, done.stderr
    assert "own: inconclusive" in done.stdout
    (entry,) = read_entries(tmp_path / "logs" / "claims" / "seeds-0-1-2")
    assert entry.effects[0].values == pytest.approx([1, 1.1, 1.2])
    missing = command_line("claims.py", "--only", "owm", *own)
    assert missing.returncode == 2
    assert "there is no claim owm" in missing.stderr
    assert "own" in missing.stderr


def test_a_claim_says_how_many_seeds_it_needs(tmp_path):
    claim = OmegaConf.create(GOOD)
    claim.seeds = 3
    OmegaConf.save(claim, tmp_path / "three.yaml")
    done = command_line("claims.py", "--only", str(tmp_path / "three.yaml"), "--logs", str(tmp_path))
    assert "3 seeds" in done.stdout
    (entry,) = read_entries(tmp_path / "claims")
    assert entry.seeds == [0, 1, 2]


def test_bad_input_is_answered_before_any_work(tmp_path):
    (tmp_path / "bad.yaml").write_text("number: 1\n")
    done = command_line("claims.py", "--only", str(tmp_path / "bad.yaml"), "--logs", str(tmp_path / "logs"))
    assert done.returncode == 2
    assert done.stderr.startswith("error: bad.yaml: claim is missing")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "logs").exists()


@pytest.fixture
def judged(ledger, tmp_path):
    """A folder of entries of all claims of the lab, each by its present rule, without a run."""
    out, _ = ledger
    entry = read_entries(out)[0]
    (tmp_path / "out").mkdir()
    for name, path in claim_files().items():
        shutil.copyfile(out / entry.figure, tmp_path / "out" / f"{name}.png")
        claim = load_claim(path)
        more = {
            "digest": claim.digest,
            "seeds": list(range(claim.seeds)),
            "effects": [replace(entry.effects[0], name=next(iter(claim.effects)))],
            "figure": f"{name}.png",
            "covers": "everything",
        }
        save_entry(replace(entry, name=name, runs=[f"run-of-{name}", "shared"], **more), tmp_path / "out")
    return tmp_path / "out"


def test_publishing_writes_every_number_and_refuses_a_part(ledger, judged, tmp_path):
    names, root = list(claim_files()), tmp_path / "root"
    root.mkdir()
    with pytest.raises(ConfigError, match="not judged yet: 01_model_wise"):
        publish(ledger[0], root)
    assert not list(root.iterdir())
    text = publish(judged, root).read_text()
    assert f"from {len(names) + 1} runs" in text
    assert f"{len(names)} hold, 0 do not hold" in text
    assert "## Replaced rules" not in text
    figures = root / ".github" / "figures" / "claims"
    with (figures / "effects.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["claim"] for row in rows] == names  # the false claim of one's own is not published
    recorded = read_json(judged / f"{names[0]}.json")["effects"][0]["values"]
    assert [float(value) for value in rows[0]["values"].split()] == recorded
    assert len((figures / "runs.csv").read_text().splitlines()) == 1 + 2 * len(names)
    assert [entry["digest"] for entry in read_json(figures / "claims.json")] == [
        load_claim(path).digest for path in claim_files().values()
    ]


def test_one_claim_is_published_beside_what_stands(judged, tmp_path):
    name, other = list(claim_files())[:2]
    publish(judged, tmp_path)
    again = tmp_path / "again"
    again.mkdir()
    entry = next(entry for entry in read_entries(judged) if entry.name == name)
    shutil.copyfile(judged / entry.figure, again / entry.figure)
    save_entry(replace(entry, runs=["new"]), again)
    publish(again, tmp_path)
    runs = (tmp_path / ".github" / "figures" / "claims" / "runs.csv").read_text()
    assert f"{name},new" in runs
    assert f"{name},shared" not in runs
    assert f"{other},shared" in runs
    few = replace(entry, seeds=[0, 1])
    save_entry(few, again)
    with pytest.raises(ConfigError, match=f"{name} was judged over 2 seeds, and asks for"):
        publish(again, tmp_path)


def test_the_page_says_what_the_claims_files_say_today(judged, tmp_path):
    name, path = next(iter(claim_files().items()))
    claim = load_claim(path)
    (effect,) = next(entry for entry in read_entries(judged) if entry.name == name).effects
    assert effect.says != claim.effects[effect.name].says  # every entry has another claim's words

    def written(out):
        page = publish(out, tmp_path).read_text()
        (entry,) = [
            entry
            for entry in read_json(tmp_path / ".github" / "figures" / "claims" / "claims.json")
            if entry["name"] == name
        ]
        assert effect.says not in page
        assert claim.claim in page
        return {key: entry[key] for key in ("number", "claim", "rule")} | {
            "says": entry["effects"][0]["says"],
            "values": entry["effects"][0]["values"],
        }

    now = {
        "number": claim.number,
        "claim": claim.claim,
        "rule": claim.rule,
        "says": claim.effects[effect.name].says,
        "values": effect.values,
    }
    assert written(judged) == now
    # What was published in other words by the same rule is said anew, though nothing is judged.
    file = tmp_path / ".github" / "figures" / "claims" / "claims.json"
    stale = json.loads(file.read_text().replace(claim.claim, "old claim").replace(now["says"], effect.says))
    file.write_text(json.dumps(stale))
    (tmp_path / "empty").mkdir()
    assert written(tmp_path / "empty") == now


def test_a_replaced_rule_leaves_its_verdict_and_asks_for_a_rerun(judged, tmp_path):
    name = next(name for name, path in claim_files().items() if load_claim(path).replaced)
    without = next(name for name, path in claim_files().items() if not load_claim(path).replaced)
    claim = load_claim(claim_files()[name])
    new = next(entry for entry in read_entries(judged) if entry.name == name)
    publish(judged, tmp_path)
    file = tmp_path / ".github" / "figures" / "claims" / "claims.json"
    (said,) = next(entry["effect_lines"] for entry in read_json(file) if entry["name"] == name)

    def publish_after(changed, out):
        """Publish `out` where the published entry of a claim is by another rule."""
        entries = [
            {**entry, "digest": "of-old"} if entry["name"] == changed else entry for entry in read_json(file)
        ]
        file.write_text(json.dumps(entries))
        return publish(out, tmp_path).read_text().splitlines()

    with pytest.raises(ConfigError, match=f"{without} has another rule than its published verdict"):
        publish_after(without, judged)
    publish(judged, tmp_path / "other")  # nothing else was written
    shutil.copyfile(tmp_path / "other" / file.relative_to(tmp_path), file)
    empty = tmp_path / "empty"
    empty.mkdir()
    # No run was judged by the new rule: an old verdict is not left under it.
    lines = publish_after(name, empty)
    (row,) = [line for line in lines if f"{name}.png" in line and line.startswith("|")]
    assert "| **to be rerun**<br>by the rule before: holds |" in row
    (old,) = [line for line in lines if line.startswith(f"| {claim.number} | {name} | holds |")]
    assert claim.replaced in old
    assert said in old
    assert "1 is to be rerun" in "".join(lines)
    # Then one was: the old verdict stays beside the new one, and once only.
    for _ in range(2):
        lines = publish(judged, tmp_path).read_text().splitlines()
        (row,) = [line for line in lines if f"{name}.png" in line and line.startswith("|")]
        assert "**holds** (1 of 1 effect holds)<br>by the rule before: holds |" in row
        assert sum(line.startswith(f"| {claim.number} | {name} | holds |") for line in lines) == 1
    # An entry by an old rule that lies in the folder still does not count.
    save_entry(replace(new, digest="of-old"), judged)
    lines = publish_after(name, judged)
    (row,) = [line for line in lines if f"{name}.png" in line and line.startswith("|")]
    assert "**to be rerun**<br>by the rule before: holds<br>by the rule before: holds |" in row
