from dataclasses import replace

import pytest
from omegaconf import OmegaConf

from overparam.claims.claim import claim_files, load_claim
from overparam.claims.covers import Variation, covers, in_words
from overparam.claims.plan import planned_runs
from overparam.claims.trained import Setup

ONE = Variation({"seed", "data.seed", "data.order_seed"}, 1200, 1.0, True, True, False, False)
FIXED = "training inputs where n = 1200, the same for all seeds"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], ""),
        ([ONE], f"initialization, label noise; not: {FIXED}, test set, one for all seeds"),
        (
            [replace(ONE, shared=0.25), replace(ONE, shared=0.5, labels=False)],
            "initialization, label noise, subset (two seeds share 25% to 50% of it); not: test set, one for all seeds",
        ),
        (
            [replace(ONE, shared=0.0, labels=False, one_test_set=False, ordered=True, augmented=True)],
            "initialization, batch order, augmentation, training data, all new",
        ),
        (
            [replace(ONE, differs={"seed"}, labels=False)],
            f"initialization; not: {FIXED}, test set, one for all seeds",
        ),
        (
            [replace(ONE, differs={"data.seed"}, labels=False, one_test_set=False)],
            f"nothing; not: initialization, the same for all seeds, {FIXED}",
        ),
    ],
)
def test_what_varies_in_words(found, expected):
    assert in_words(found) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("41_more_never_hurts", f"initialization, label noise; not: {FIXED}, test set, one for all seeds"),
        ("05_random_labels", "initialization, label noise, subset (two seeds share 68% of it)"),
        ("06_program", "initialization, training data, all new"),
        ("07_mode_connectivity", "initialization, batch order, subset (two seeds share 68% of it)"),
        ("28_trained_bias_variance", "initialization, training data, all new"),
        ("08_program", "inputs, teacher and noise of training and test set, all new for every seed"),
    ],
)
def test_what_the_seeds_of_a_claim_change(tmp_path, name, expected):
    claim = load_claim(claim_files()[name])
    assert covers(claim, Setup(tmp_path, claim.first_seeds)) == expected
    assert not list(tmp_path.iterdir())


def test_members_of_a_seed_are_its_own(tmp_path):
    claim = load_claim(claim_files()["18_ensembles"])
    runs = planned_runs(claim, Setup(tmp_path, (3, 4)))
    assert len(runs) == 2 * 3 * 3  # seeds, widths, members
    drawn = {(run.cfg.data.seed, run.cfg.seed) for run in runs}
    assert drawn == {(3, 9), (3, 10), (3, 11), (4, 12), (4, 13), (4, 14)}


def test_sets_and_members_of_a_seed_are_its_own(tmp_path):
    claim = load_claim(claim_files()["28_trained_bias_variance"])
    runs = planned_runs(claim, Setup(tmp_path, (0, 4)))
    assert len(runs) == 2 * 8 * 3 * 3  # seeds, widths, sets, members
    drawn = {(run.cfg.data.seed, run.cfg.seed) for run in runs}
    assert drawn == {
        (i, k) for first in (0, 12) for i in range(first, first + 3) for k in range(first, first + 3)
    }


def test_every_exact_claim_says_what_varies():
    for path in claim_files().values():
        source = OmegaConf.load(path).source
        assert ("model" in source) == bool(load_claim(path).covers), path
