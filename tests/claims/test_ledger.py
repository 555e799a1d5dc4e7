"""The ledger through its command: a false claim, a true one, one that cannot be judged, bad input, publishing."""

import csv
from dataclasses import replace

import polars as pl
import pytest
from omegaconf import OmegaConf

from overparam.analysis.drawing import say_below
from overparam.analysis.lines import line_figure
from overparam.claims.claim import claim_files
from overparam.claims.ledger import read_entries, said_by, save_entry
from overparam.claims.publish import publish
from overparam.claims.verdict import Effect
from overparam.errors import ConfigError
from tests.claims.test_claim_files import GOOD
from tests.conftest import command_line, read_json


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    """A ledger of three claims over three seeds, made by the command."""
    folder = tmp_path_factory.mktemp("ledger")
    # The isotropic covariance is not benign: the claim is false. The opposite is true.
    (folder / "false.yaml").write_text(GOOD)
    true = OmegaConf.create(GOOD)
    true.number, true.claim = 98, "Isotropic interpolation is not benign"
    true.effects.benign.merge_with({"_target_": "overparam.claims.effects.difference", "above": 1.5})
    del true.effects.benign["target"]
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
        "**holds** (1 of 1 effects hold)",
        "**does not hold** (0 of 1 effects hold)",
    ]
    assert "3 seeds" in rows[0][3]
    assert rows[0][4] == "before the runs"
    assert (out / "false.png").stat().st_size > 1000


def test_a_figure_says_the_verdict_and_every_bound():
    table = pl.DataFrame({"x": [1, 2, 4] * 3, "y": [0.3, 0.2, 0.1] * 3, "seed": [0] * 3 + [1] * 3 + [2] * 3})
    figure = line_figure(table, "a claim", "x", ["y"])
    before = figure.get_size_inches()[1]
    effects = [
        Effect("falls", "y falls", 0.1, [0.2, 0.21, 0.19]),
        Effect("rises", "y rises", 0, [-0.2, -0.21, -0.19]),
    ]
    say_below(figure, said_by(effects))
    assert figure.get_supxlabel().splitlines() == [
        "does not hold, by:",
        "y falls: 0.2 ± 0.025 (> 0.1; 3 seeds): holds",
        "y rises: -0.2 ± 0.025 (> 0; 3 seeds): does not hold",
    ]
    assert figure.get_size_inches()[1] > before


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
    assert entry.effects[0].values == pytest.approx([0, -0.1, -0.2])
    missing = command_line("claims.py", "--only", "owm", *own)
    assert missing.returncode == 2
    assert "there is no claim owm" in missing.stderr
    assert "own" in missing.stderr


def test_bad_input_is_answered_before_any_work(tmp_path):
    (tmp_path / "bad.yaml").write_text("number: 1\n")
    done = command_line("claims.py", "--only", str(tmp_path / "bad.yaml"), "--logs", str(tmp_path / "logs"))
    assert done.returncode == 2
    assert done.stderr.startswith("error: bad.yaml: claim is missing")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "logs").exists()


def test_publishing_writes_every_number_and_refuses_a_part(ledger, tmp_path):
    out, _ = ledger
    names = list(claim_files())
    with pytest.raises(ConfigError, match="not judged yet: 01_model_wise"):
        publish(out, tmp_path)
    assert not list(tmp_path.iterdir())
    entry = read_entries(out)[0]
    for name in names:
        save_entry(replace(entry, name=name, runs=[f"run-of-{name}", "shared"]), out)
    page = publish(out, tmp_path)
    text = page.read_text()
    assert f"from {len(names) + 1} runs" in text
    assert f"{len(names)} hold, 0 do not hold" in text
    figures = tmp_path / ".github" / "figures" / "claims"
    with (figures / "effects.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["claim"] for row in rows] == names  # the false claim of one's own is not published
    recorded = read_json(out / "true.json")["effects"][0]["values"]
    assert [float(value) for value in rows[0]["values"].split()] == recorded
    assert len((figures / "runs.csv").read_text().splitlines()) == 1 + 2 * len(names)
    save_entry(replace(entry, name=names[0], seeds=[7]), out)
    with pytest.raises(ConfigError, match="different seeds"):
        publish(out, tmp_path)
