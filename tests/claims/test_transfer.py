import math

import polars as pl
import pytest

from overparam.claims.transfer import shift_of_best

RATES = [2.0**k for k in range(-6, 1)]


def valley(seed, width, best, worst=3.0):
    """A parabola in logarithms, of a minimum between the grid's points."""
    loss = [2 ** (0.5 * (math.log2(rate) - best) ** 2) for rate in RATES]
    return [
        {"seed": seed, "width": width, "optimizer.lr": rate, "loss": value}
        for rate, value in zip(RATES, loss, strict=True)
    ]


def shifts(rows):
    return shift_of_best(pl.DataFrame(rows), "loss", {"width": 8}, {"width": 64})


def test_a_shift_is_that_of_the_minima_between_the_points():
    rows = valley(0, 8, -1.3) + valley(0, 64, -3.8) + valley(1, 64, -2.6) + valley(1, 8, -3.0)
    assert shifts(rows[::-1]) == pytest.approx([2.5, -0.4])


def test_beside_a_run_that_diverged_the_best_is_a_point_of_the_grid():
    rows = valley(0, 8, -2.0) + valley(0, 64, -3.8)
    rows[5] = rows[5] | {"loss": None}  # 2^-1, at width 8
    rows[6] = rows[6] | {"loss": math.nan}
    rows[11] = rows[11] | {"loss": math.inf}  # 2^-2, at width 64
    assert shifts(rows) == pytest.approx([-2.0 + 3.8])


def test_a_grid_that_ends_too_early_is_refused():
    with pytest.raises(
        ValueError, match=r"seed 0 with .*width.*64.* is at an end of the grid of optimizer\.lr"
    ):
        shifts(valley(0, 8, -2.0) + valley(0, 64, -6.1))
