"""The sampling error of a test set, against the formula for a difference, and what it does to an interval."""

import math

import numpy as np
import polars as pl
import pytest

from overparam.claims import effects
from overparam.claims.claim import Prediction
from overparam.claims.intervals import half_width, p_value
from overparam.claims.sampling import BY_SAMPLE, ERROR, SAMPLES, standard_error
from overparam.claims.verdict import Effect

SEEDS, M = 4, 300


def table(samples):
    """Two widths, of which the second fails on other samples; `samples(seed)` are those of a seed's test set."""
    rng = np.random.default_rng(0)
    hard = rng.random((2, SEEDS * M)) < [[0.3], [0.2]]
    rows = []
    for seed in range(SEEDS):
        for width, is_hard in zip((1, 2), hard, strict=True):
            wrong = (is_hard[samples(seed)] ^ (rng.random(M) < 0.1)).astype(float)
            row = {"seed": seed, "width": width, SAMPLES: list(samples(seed))}
            rows.append(row | {ERROR: wrong.mean(), ERROR + BY_SAMPLE: wrong.tolist()})
    return pl.DataFrame(rows, schema_overrides={SAMPLES: pl.List(pl.UInt64)})


def difference(**knobs):
    return Prediction(
        _target_=f"{effects.__name__}.difference",
        **{"says": "", "above": 0.0, "value": ERROR, "of": {"width": 1}, "minus": {"width": 2}, **knobs},
    )


def test_it_is_the_paired_formula_for_a_shared_test_set():
    rows = table(lambda seed: range(M))
    wrong = np.array(rows[ERROR + BY_SAMPLE].to_list()).reshape(SEEDS, 2, M)
    each = (wrong[:, 0] - wrong[:, 1]).mean(0)
    by_hand = math.sqrt(((each - each.mean()) ** 2).sum()) / M
    found = standard_error(difference(), rows)
    assert found == pytest.approx(by_hand, rel=0.15)  # the deviation of 200 draws is right to 5%
    errors = wrong.mean((0, 2))
    assert found < math.sqrt((errors * (1 - errors)).sum() / M)


def test_test_sets_that_share_nothing_vary_with_the_seed():
    apart = table(lambda seed: range(seed * M, (seed + 1) * M))
    assert standard_error(difference(), apart) == 0.0
    partly = standard_error(difference(), table(lambda seed: range(seed * M // 2, seed * M // 2 + M)))
    assert 0 < partly < standard_error(difference(), table(lambda seed: range(M)))


def test_it_is_unknown_without_results_by_sample():
    rows = table(lambda seed: range(M))
    assert standard_error(difference(), rows.drop(ERROR + BY_SAMPLE)) is None
    lost = pl.when(pl.col("width") == 1).then(ERROR + BY_SAMPLE)
    assert standard_error(difference(), rows.with_columns(lost)) is None
    assert standard_error(difference(value="width"), rows) is None


def test_an_interval_adds_it_in_squares_and_its_p_value_agrees():
    values = [0.1, 0.14, 0.12, 0.15, 0.11]
    over_seeds = half_width(values, "fixed n")
    assert half_width(values, "fixed n", sampling=0.02) == pytest.approx(
        math.hypot(over_seeds, 1.959964 * 0.02)
    )
    for kind in ("fixed n", "any time"):
        p = p_value(values, 0.0, kind, sampling=0.03)
        assert p > p_value(values, 0.0, kind)
        assert half_width(values, kind, p, sampling=0.03) == pytest.approx(0.124, rel=1e-6)
    assert Effect("", "", 0.08, values).verdict == "holds"
    wider = Effect("", "", 0.08, values, sampling=0.03)
    assert wider.verdict == "inconclusive"
    assert "5 seeds and test samples" in str(wider)
