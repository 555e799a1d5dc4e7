"""The intervals against independent computations, and their rates over thousands of simulated claims."""

import math
import statistics

import numpy as np
import pytest
from scipy import integrate
from scipy.stats import t as student

from overparam.claims.intervals import (
    ALPHA,
    POWER,
    PRECISION,
    half_width,
    holm,
    p_value,
    radius,
    seeds_needed,
    upper_deviation,
)
from overparam.claims.verdict import Effect, verdict, verdicts

MOST = 40  # seeds of a simulated claim


@pytest.fixture(scope="module")
def paths():
    """Standard normal effects, [sequences, seeds], with their mean and deviation after each seed."""
    draws = np.random.default_rng(1).standard_normal((20_000, MOST))
    n = np.arange(1, MOST + 1)
    means = draws.cumsum(1) / n
    spread = ((draws**2).cumsum(1) - n * means**2).clip(min=0)
    return means, np.sqrt(spread / np.maximum(n - 1, 1))


def test_the_radius_is_that_of_the_paper():
    # Equation (36) by hand for n = 10, c = 1, alpha = .05, in deviations divided by n: q = (.0025 / 11)^(1 / 10).
    q = (0.0025 / 11) ** 0.1
    by_hand = math.sqrt(11 * (1 - q) / (11 * q - 1))
    assert radius(10, 0.05, 1.0) == pytest.approx(by_hand * math.sqrt(9 / 10))
    assert by_hand == pytest.approx(1.2899289, rel=1e-7)
    assert np.isinf(radius([1, 2, 3])).tolist() == [True, True, False]


def test_the_p_value_is_the_mixture_of_likelihoods_that_it_says():
    # Both hypotheses integrated numerically: mean = d s, with d = 0 or from N(0, 1 / c^2), over s with density 1 / s.
    x = np.array([0.9, 1.4, 0.2, 1.1])

    def likelihood(d):
        def over_deviation(log_s):
            s = math.exp(log_s)
            return s ** -len(x) * math.exp(-0.5 * np.sum((x / s - d) ** 2))

        return integrate.quad(over_deviation, -8, 8, limit=400)[0]

    scale = PRECISION**-0.5
    mixed = integrate.quad(
        lambda d: math.exp(-0.5 * (d / scale) ** 2) / (scale * math.sqrt(2 * math.pi)) * likelihood(d),
        *(-6 * scale, 6 * scale),
        limit=400,
    )[0]
    assert p_value(x.tolist(), 0.0, "any time") == pytest.approx(likelihood(0.0) / mixed, rel=1e-5)


@pytest.mark.parametrize("kind", ["fixed n", "any time"])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_the_p_value_is_where_the_interval_ends(kind, alpha):
    values = [1.0, 2.0, 1.5, 1.2, 1.9, 1.4]
    end = statistics.fmean(values) - half_width(values, kind, alpha)
    assert p_value(values, end, kind) == pytest.approx(alpha)


def test_values_that_are_all_alike():
    assert half_width([2.0] * 5, "any time") == 0
    assert p_value([2.0] * 5, 1.0, "any time") == 0
    assert p_value([2.0] * 5, 2.0, "any time") == 1
    assert math.isinf(half_width([2.0], "any time"))


def test_the_sequence_holds_the_mean_at_all_numbers_of_seeds_at_once(paths):
    means, deviations = paths
    reach = deviations[:, 2:] * radius(np.arange(3, MOST + 1))  # infinite before
    missed = (np.abs(means[:, 2:]) > reach).any(1).mean()
    error = math.sqrt(ALPHA / len(means))  # three of them are half a percent
    assert 0.01 < missed < ALPHA + 3 * error
    assert (means[:, 2:] > reach).any(1).mean() < ALPHA / 2 + 3 * error  # half on each side


def test_the_seeds_needed_have_the_power_that_they_say():
    distance = 1.5
    needed = seeds_needed(distance, MOST)
    draws = np.random.default_rng(2).standard_normal((400, needed)) + distance
    decided = [
        any(p_value(row[:n].tolist(), 0.0, "any time") <= ALPHA for n in range(3, needed + 1))
        for row in draws
    ]
    assert statistics.fmean(decided) == pytest.approx(POWER, abs=0.06)
    assert seeds_needed(3.0, MOST) < needed < seeds_needed(1.0, MOST)
    assert seeds_needed(0.1, MOST) is None


def test_the_spread_of_a_pilot_is_seldom_taken_for_too_small():
    pilots = np.random.default_rng(3).standard_normal((2000, 5))
    assert statistics.fmean(upper_deviation(row.tolist()) >= 1 for row in pilots) == pytest.approx(
        0.8, abs=0.03
    )


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == [True, False, False, True]
    assert holm([0.01, 0.02, 0.03]) == [True, True, True]
    assert holm([0.02, 0.02, 0.02]) == [False] * 3
    assert holm([0.04]) == [True]
    assert holm([]) == []


def claims_at_their_bounds(correlation, effects=7, seeds=6, claims=4000):
    """Effects of simulated claims, [claims, effects, seeds], with mean 0, and their t statistics."""
    rng = np.random.default_rng(4)
    common, own = rng.standard_normal((claims, 1, seeds)), rng.standard_normal((claims, effects, seeds))
    draws = math.sqrt(correlation) * common + math.sqrt(1 - correlation) * own
    return draws, draws.mean(2) / (draws.std(2, ddof=1) / math.sqrt(seeds))


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_a_family_at_its_bound_does_not_fail_by_chance(correlation):
    draws, statistic = claims_at_their_bounds(correlation)
    p_values = np.where(statistic < 0, 2 * student.sf(-statistic, draws.shape[2] - 1), 1.0)
    failed = np.array([any(holm(family)) for family in p_values.tolist()])
    assert failed.mean() < ALPHA / 2 + 3 * math.sqrt(ALPHA / 2 / len(draws))
    if not correlation:  # what it was without: 16%
        assert (p_values.min(1) < ALPHA).mean() == pytest.approx(1 - 0.975**7, abs=0.02)
    for claim, has_failed in zip(draws[:30].tolist(), failed, strict=False):
        effects = [Effect(str(i), "", 0.0, values) for i, values in enumerate(claim)]
        assert (verdict(effects, correct=True) == "does not hold") == has_failed


def test_a_false_conjunction_seldom_holds_without_a_correction():
    # One effect at its bound; the six others are far within theirs, so that the claim's chance is that of the one.
    draws, statistic = claims_at_their_bounds(0.0)
    held = statistic[:, 0] > student.ppf(0.975, draws.shape[2] - 1)
    assert held.mean() == pytest.approx(0.025, abs=3 * math.sqrt(0.025 / len(draws)))
    draws[:, 1:] += 20
    for claim, has_held in zip(draws[:30].tolist(), held, strict=False):
        effects = [Effect(str(i), "", 0.0, values) for i, values in enumerate(claim)]
        assert (verdict(effects) == "holds") == has_held


def test_of_a_family_those_fail_that_are_far_out():
    near, far, within = [-1.0, -0.4, -0.9, -0.5], [-9.0, -9.1, -8.9, -9.05], [5.0, 5.1, 4.9, 5.0]
    effects = [Effect("", "", 0.0, values) for values in (near, far, within)]
    assert verdicts(effects) == ["does not hold", "does not hold", "holds"]
    assert verdicts(effects, correct=True) == ["does not hold", "does not hold", "holds"]
    four_near = [Effect("", "", 0.0, near)] * 4
    assert verdict(four_near) == "does not hold"
    assert verdict(four_near, correct=True) == "inconclusive"


def test_what_is_open_says_what_it_excludes():
    effect = Effect("e", "says", 0.0, [0.1, -0.1, 0.2, -0.15, 0.0], interval="any time")
    assert effect.verdict == "inconclusive"
    low, high = effect.mean - effect.half_width, effect.mean + effect.half_width
    assert effect.excluded == f"less than {low:.2g} and more than {high:.2g} are excluded"
    assert str(effect).endswith("(> 0; 5 seeds, any time)")
    assert Effect("e", "says", 0.0, [0.1]).excluded == ""
