import math

import pytest

from overparam.exact.mode_order import mode_order


def test_without_a_hidden_layer_all_modes_come_as_one_minus_e_to_the_minus_t():
    rows = mode_order(0, depths=[0], noise=0.0, step=1e-3)
    assert [row["half_time"] for row in rows] == pytest.approx([math.log(2)] * 3, abs=2e-3)
    assert [row["learned_before"] for row in rows[1:]] == pytest.approx([0.5, 0.5], abs=1e-3)
    assert rows[0]["log2_half_time"] == pytest.approx(math.log2(math.log(2)), abs=5e-3)


def test_a_single_mode_takes_the_time_of_theory():
    (late,) = mode_order(
        3, depths=[1], singular_values=[2.0], dim=1, width=50, noise=0.0, step=2e-3, spread=1e-4
    )
    (early,) = mode_order(
        3, depths=[1], singular_values=[2.0], dim=1, width=50, noise=0.0, step=2e-3, spread=1e-3
    )
    # A start that is ten times smaller takes ln(10) / (2 s) longer.
    assert late["half_time"] - early["half_time"] == pytest.approx(math.log(10) / 4, rel=0.02)


def test_a_mode_that_is_not_learned_is_said():
    with pytest.raises(RuntimeError, match="depth 1: a mode is not learned after 10 steps"):
        mode_order(0, depths=[1], most_steps=10)
