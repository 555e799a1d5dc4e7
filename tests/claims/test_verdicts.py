import math

import numpy as np
import polars as pl
import pytest

from overparam.claims import effects
from overparam.claims.claim import Claim
from overparam.claims.verdict import Effect, verdict


def effect(values, above=0.0, below=None):
    return Effect("e", "says", above, values, below)


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


@pytest.mark.parametrize(
    ("center", "expected"),
    [
        (1.0, "holds"),
        (1.15, "inconclusive"),
        (0.85, "inconclusive"),
        (1.3, "does not hold"),
        (0.7, "does not hold"),
    ],
)
def test_two_bounds_are_a_test_of_equivalence_on_the_signed_mean(center, expected):
    assert effect([center - 0.05, center, center + 0.05], 0.85, 1.15).verdict == expected
    assert effect([center - 0.05, center, center + 0.05], None, 1.15).verdict == (
        expected if center > 0.9 else "holds"
    )


def test_noise_around_the_target_is_no_distance_from_it():
    # 64 seeds that scatter by 1 around the target: mean |x - target| is 1, and more seeds would not lower it.
    values = [2.0, 4.0] * 32
    assert effect(values, 2.7, 3.3).verdict == "holds"
    assert effect(values[:4], 2.7, 3.3).verdict == "inconclusive"


def test_a_claim_holds_only_if_all_its_effects_do():
    yes, no, open_ = effect([1.0, 1.1]), effect([-1.0, -1.0, -1.1]), effect([1.0, -1.0])
    yes = effect([1.0, 1.0, 1.1])
    assert verdict([yes, yes]) == "holds"
    assert verdict([yes, open_]) == "inconclusive"
    assert verdict([yes, open_, no]) == "does not hold"
    assert verdict([]) == "to be rerun"


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
    assert effects.difference(TABLE, "v", small) == pytest.approx([0.5, 0.55, 0.6])
    assert effects.exponent(TABLE, "v", "w", {"lr": 2.0}) == pytest.approx([-0.5] * 3)


def test_a_difference_of_differences_by_hand():
    first = {"of": {"w": 4, "lr": 2.0}, "minus": {"w": 4, "lr": 1.0}}
    second = {"of": {"w": 16, "lr": 2.0}, "minus": {"w": 16, "lr": 1.0}}
    expected = [0.25, 0.275, 0.3]  # (.5 - .25) (1 + .1 s)
    assert effects.difference_of_differences(TABLE, "v", first, second) == pytest.approx(expected)


def as_table(curves):
    return pl.DataFrame(
        [
            {"seed": seed, "w": w, "e": e}
            for seed, curve in enumerate(curves)
            for w, e in ((2**index, e) for index, e in enumerate(curve))
        ]
    )


def test_the_largest_rise_is_that_of_the_pair_with_the_largest_upper_limit():
    table = as_table([[0.5, 0.2, 0.3, 0.1], [0.5, 0.2, 0.32, 0.1], [0.5, 0.2, 0.28, 0.1]])
    assert effects.largest_rise(table, "e", "w") == pytest.approx([0.1, 0.12, 0.08])  # from width 2 to 4
    falling = table.filter(pl.col("w") != 4)
    assert max(effects.largest_rise(falling, "e", "w")) < 0  # the least fall, where nothing rises
    with pytest.raises(ValueError, match="two values of w"):
        effects.largest_rise(table, "e", "w", {"w": 2})
    one = effects.largest_rise(table.filter(pl.col("seed") == 0), "e", "w")
    assert one == pytest.approx([0.1])  # no interval


@pytest.mark.parametrize("seeds", [3, 6])  # without an interval of any time, and with one
def test_a_loud_pair_is_not_overlooked_for_a_quiet_one_that_rises_more(seeds):
    signs = [(-1) ** seed for seed in range(seeds)]
    # From width 1 to 2 by .2, always; from width 4 to 8 by .15 on average, or a little off it.
    curves = [[0.5, 0.7, 0.1, 0.25 + 0.2 * sign] for sign in signs]
    assert effects.largest_rise(as_table(curves), "e", "w") == pytest.approx(
        [0.15 + 0.2 * sign for sign in signs]
    )


def test_a_flat_curve_is_seldom_found_to_rise_and_one_that_rises_is():
    rng, told = np.random.default_rng(0), {"below": 0.0, "interval": "fixed n"}

    def found(curve, times):
        curves = [curve + rng.standard_normal((5, 12)) for _ in range(times)]
        rises = [effects.largest_rise(as_table(each), "e", "w", **told) for each in curves]
        return [effect(rise, None, 0.0).verdict for rise in rises].count("does not hold")

    assert found(np.zeros(12), times=12) == 0  # 6 with the pair of the largest mean
    assert found(np.eye(12)[3] * 20, times=3) == 3


def test_a_rise_is_found_by_a_quiet_pair_beside_a_loud_one():
    signs = [(-1) ** seed for seed in range(10)]
    # By .5 or .502 from width 1 to 2; by 0 from width 4 to 8, a little off it.
    table = as_table([[0.5, 1 + 0.001 * (sign + 1), 0.1, 0.1 + sign] for sign in signs])
    loud, quiet = ([float(sign) for sign in signs], [0.5 + 0.001 * (sign + 1) for sign in signs])
    assert effects.largest_rise(table, "e", "w") == pytest.approx(loud)
    assert effects.largest_rise(table, "e", "w", below=0.4) == pytest.approx(quiet)


def test_an_effect_is_told_the_bound_and_the_interval_of_its_claim():
    rise = {
        "says": "rise",
        "_target_": "tests.claims.test_verdicts.told",
        "below": 0.25,
    }
    claim = {"number": 1, "claim": "c", "rule": "r", "source": {"_target_": "s"}, "effects": {"rise": rise}}
    assert Claim.model_validate(claim).effects["rise"](None) == (0.25, "fixed n")
    claim |= {"sequential": {"pilot": 3, "budget": 9}, "effects": {"rise": rise | {"smallest": 0.1}}}
    assert Claim.model_validate(claim).effects["rise"](None) == (0.25, "any time")


def told(table, below, interval):
    return below, interval


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
        ("bad", {"w": 4, "lr": 1.0}, "not a finite number"),
    ],
)
def test_cells_that_are_not_one_number_are_refused(value, where, message):
    with pytest.raises(ValueError, match=message):
        effects.cell(TABLE, value, where)


def test_a_value_chosen_by_another_column():
    table = pl.DataFrame(
        [
            {"seed": 0, "step": 1, "test": 0.3, "held_out": 0.2},
            {"seed": 0, "step": 2, "test": 0.1, "held_out": 0.4},
            {"seed": 0, "step": 3, "test": 0.5, "held_out": 0.2},
            {"seed": 0, "step": 4, "test": 0.0, "held_out": None},
            {"seed": 1, "step": 1, "test": 0.9, "held_out": 0.3},
            {"seed": 1, "step": 2, "test": 0.7, "held_out": 0.1},
        ]
    )
    # Not the least test error, and of two as good the first.
    assert effects.cell(table, "test", {}, "least held_out") == [0.3, 0.7]
    with pytest.raises(ValueError, match="no column nowhere"):
        effects.cell(table, "test", {}, "least nowhere")
    with pytest.raises(ValueError, match="pick must be"):
        effects.cell(table, "test", {}, "median")
