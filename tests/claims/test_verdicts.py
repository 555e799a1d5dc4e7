import math
from dataclasses import replace

import polars as pl
import pytest
from hydra.utils import get_method
from omegaconf import OmegaConf

from overparam.assemble import ConfigError
from overparam.claims import effects
from overparam.claims.ledger import FOLDER, judge, load_claim, save_entry, write_ledger
from overparam.claims.sources import Place
from overparam.claims.verdict import Effect, verdict

CLAIMS = sorted(FOLDER.glob("*.yaml"))


def effect(values, above=0.0):
    return Effect("e", "says", above, values)


def test_interval_is_students():
    # Mean 2, standard deviation 1, n = 3: 4.3027 / sqrt(3).
    assert effect([1.0, 2.0, 3.0]).half_width == pytest.approx(4.302653 / math.sqrt(3), rel=1e-5)
    assert math.isinf(effect([1.0]).half_width)


@pytest.mark.parametrize(
    ("values", "above", "expected"),
    [
        ([1.0, 1.1, 0.9], 0.5, "holds"),
        ([1.0, 1.1, 0.9], 1.5, "does not hold"),
        ([1.0, 1.1, 0.9], 0.95, "inconclusive"),
        ([5.0], 0.0, "inconclusive"),  # one seed says nothing
        ([0.25, 0.25, 0.25], 0.25, "inconclusive"),
    ],
)
def test_verdict_of_an_effect(values, above, expected):
    assert effect(values, above).verdict == expected


def test_a_claim_holds_only_if_all_its_effects_do():
    yes, no, open_ = effect([1.0, 1.1]), effect([-1.0, -1.0, -1.1]), effect([1.0, -1.0])
    yes = effect([1.0, 1.0, 1.1])
    assert verdict([yes, yes]) == "holds"
    assert verdict([yes, open_]) == "inconclusive"
    assert verdict([yes, open_, no]) == "does not hold"
    with pytest.raises(ValueError, match="needs an effect"):
        verdict([])


TABLE = pl.DataFrame(
    [
        {"seed": s, "w": w, "lr": lr, "v": w**-0.5 * (1 + 0.1 * s) * lr, "bad": None}
        for s in (0, 1, 2)
        for w in (4, 16, 64)
        for lr in (1.0, 2.0)
    ],
    schema_overrides={"bad": pl.Float64},
)


def test_effects_are_paired_by_seed():
    small, large = {"w": 4, "lr": 1.0}, {"w": 64, "lr": 1.0}
    assert effects.difference(TABLE, "v", small, large) == pytest.approx([0.375, 0.4125, 0.45])
    assert effects.log_ratio(TABLE, "v", small, large) == pytest.approx([2.0] * 3)
    assert effects.closeness(TABLE, "v", small, target=0.5) == pytest.approx([0, -0.05, -0.1])
    assert effects.exponent(TABLE, "v", "w", {"lr": 2.0}) == pytest.approx([-0.5] * 3)
    assert effects.exponent(TABLE, "v", "w", {"lr": 2.0}, target=-0.4) == pytest.approx([-0.1] * 3)


def test_picks_and_ranges():
    assert effects.difference(TABLE, "v", {"w": 4}, {"w": 64}, pick="min") == pytest.approx(
        [0.375, 0.4125, 0.45]
    )
    assert effects.cell(TABLE, "v", {"w": {"from": 10, "to": 100}, "lr": 1.0}, "max") == pytest.approx(
        [0.25, 0.275, 0.3]
    )


@pytest.mark.parametrize(
    ("value", "where", "message"),
    [
        ("v", {"w": 4}, "2 rows"),
        ("v", {"w": 5}, "no row"),
        ("nothing", {"w": 4, "lr": 1.0}, "no column nothing"),
        ("v", {"width": 4}, "no column width"),
        ("bad", {"w": 4, "lr": 1.0}, "no finite number"),
    ],
)
def test_cells_that_are_not_one_number_are_refused(value, where, message):
    with pytest.raises(ValueError, match=message):
        effects.cell(TABLE, value, where)


@pytest.mark.parametrize("path", CLAIMS, ids=lambda path: path.stem)
def test_every_claim_is_complete_and_has_its_parts(path):
    claim = load_claim(path)
    assert path.stem.startswith(f"{claim.number:02d}_")
    get_method(claim.source._target_)
    for node in claim.effects.values():
        get_method(node._target_)
    if "experiment" in claim.source:
        assert (FOLDER.parent / "experiment" / f"{claim.source.experiment}.yaml").exists()


def false_claim(tmp_path, **changes):
    """Benign overfitting with the covariances exchanged: the isotropic one said to be benign."""
    claim = {
        "number": 99,
        "claim": "Isotropic interpolation is benign",
        "source": {
            "_target_": "overparam.claims.sources.exact",
            "model": "overparam.exact.ridge.min_norm_interpolation",
            "spectra": [{"n": 60, "k": 0, "p": 70}],
        },
        "effects": {
            "benign": {
                "says": "minus the distance of test MSE / noise from 1",
                "_target_": "overparam.claims.effects.closeness",
                "value": "test_over_noise",
                "of": {"p": 70},
                "target": 1.0,
                "above": -0.1,
            }
        },
        "figure": {"x": "p", "y": ["test_over_noise"]},
    }
    path = tmp_path / "99_false.yaml"
    OmegaConf.save(OmegaConf.create({**claim, **changes}), path)
    return path


def test_a_false_claim_does_not_hold_and_the_ledger_says_so(tmp_path):
    entry = judge(false_claim(tmp_path), Place(tmp_path, (0, 1, 2)), tmp_path)
    assert entry.verdict == "does not hold"
    save_entry(entry, tmp_path)
    text = write_ledger(tmp_path).read_text()
    assert "does not hold" in text
    assert "3 seeds" in text
    assert (tmp_path / entry.figure).stat().st_size > 1000
    save_entry(replace(entry, name="98_other", number=98, verdict="holds"), tmp_path)
    lines = write_ledger(tmp_path).read_text().splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["98", "99"]  # earlier entries stay


def test_a_file_that_is_no_claim_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="there is no claim nowhere"):
        load_claim(FOLDER / "nowhere.yaml")
    with pytest.raises(ConfigError, match=r"effects\.benign lacks above"):
        load_claim(false_claim(tmp_path, effects={"benign": {"says": "x", "_target_": "y"}}))
