import math

import pytest

from overparam.claims.possible import possible_range, why_impossible

EFFECTS = "overparam.claims.effects"


@pytest.mark.parametrize(
    ("target", "knobs", "expected"),
    [
        ("difference", {"value": "test_error", "of": {"w": 1}}, (0, 1)),
        ("difference", {"value": "test_error", "of": {"w": 1}, "minus": {"w": 2}}, (-1, 1)),
        ("difference", {"value": "test_error", "of": {"w": 1}, "minus": {"w": 1}}, (0, 0)),
        ("difference", {"value": "test_mse", "of": {"w": 1}}, (0, math.inf)),
        ("difference", {"value": "gain", "of": {"w": 1}}, (-math.inf, math.inf)),
        ("log_ratio", {"value": "steps", "of": {"w": 1}, "over": {"w": 2}}, (-math.inf, math.inf)),
        ("log_ratio", {"value": "steps", "of": {"w": 1}, "over": {"w": 1}}, (0, 0)),
        ("largest_rise", {"value": "test_error", "along": "w"}, (-1, 1)),
        ("exponent", {"value": "test_error", "against": "w"}, (-math.inf, math.inf)),
    ],
)
def test_what_the_mean_of_an_effect_can_be(target, knobs, expected):
    assert possible_range(f"{EFFECTS}.{target}", knobs) == expected


ANY, SHARE = (-math.inf, math.inf), (0.0, 1.0)


@pytest.mark.parametrize(
    ("found", "above", "below", "smallest", "expected"),
    [
        (ANY, 0.0, None, None, None),
        (ANY, 0.9, 1.1, 0.1, None),
        (ANY, 0.9, 1.1, 0.11, "could never hold by 0.11"),
        (SHARE, 0.0, None, None, "could never fail"),
        (SHARE, 1.0, None, None, "could never hold"),
        (SHARE, 1.5, None, None, "could never hold"),
        (SHARE, 0.9, None, 0.1, None),
        (SHARE, 0.9, None, 0.2, "could never hold by 0.2"),
        (SHARE, 0.1, None, 0.2, "could never fail by 0.2"),
        (SHARE, -0.5, 1.5, None, "could never fail"),
        (SHARE, None, 1.0, None, "could never fail"),
        (SHARE, None, 0.5, 0.1, None),
        ((-math.inf, 0.05), None, 0.1, 0.01, "could never fail by 0.01"),
        ((0.0, 0.0), -1e-8, None, None, "could never fail: its mean is always 0"),
        ((0.0, 0.0), 0.1, None, None, "could never hold: its mean is always 0"),
    ],
)
def test_what_could_come_out_one_way_alone(found, above, below, smallest, expected):
    why = why_impossible(found, above, below, smallest)
    assert why is None if expected is None else expected in why
