import numpy as np
import polars as pl
import pytest

from overparam.claims.scaling import Law, exponent_of_law, fit, log_error

LAW = Law(0.01, np.log(3.0), 0.8, np.log(5.0), 0.4)


def grid(law, seed=0):
    params, samples = (axis.ravel() for axis in np.meshgrid(2.0 ** np.arange(3, 11), 2.0 ** np.arange(6, 15)))
    kept = {"params": params, "n_train": samples, "loss": law(params, samples)}
    return pl.DataFrame(kept).with_columns(seed=pl.lit(seed), sweep=pl.lit("grid"))


def test_a_law_is_found_again():
    table = grid(LAW)
    found = fit(*(table[name].to_numpy() for name in ("params", "n_train", "loss")))
    for name in ("floor", "log_a", "a", "log_b", "b"):
        assert getattr(found, name) == pytest.approx(getattr(LAW, name), rel=1e-3)
    assert found.growth == pytest.approx(0.4 / 1.2, rel=1e-3)


def test_size_and_samples_grow_so_that_the_budget_is_best_spent():
    budget, sizes = 1e9, 2.0 ** np.linspace(4, 20, 4001)
    best = [sizes[np.argmin(LAW(sizes, c / sizes))] for c in (budget, 1e3 * budget)]
    assert np.log(best[1] / best[0]) / np.log(1e3) == pytest.approx(LAW.growth, abs=2e-3)


def test_effects_are_of_each_seed_and_of_the_rows_that_are_asked_for():
    other = Law(0.01, np.log(3.0), 0.5, np.log(5.0), 0.7)
    larger = {"params": 1e5, "n_train": 1e6, "sweep": "held out"}
    held_out = pl.DataFrame(
        [{**larger, "seed": s, "loss": 2.0 * law(1e5, 1e6)} for s, law in enumerate((LAW, other))]
    )
    table = pl.concat([grid(other, 1), held_out, grid(LAW)], how="diagonal_relaxed")
    assert exponent_of_law(table, "loss", {"sweep": "grid"}, "a") == pytest.approx([0.8, 0.5], rel=1e-3)
    assert exponent_of_law(table, "loss", {"sweep": "grid"}, "b") == pytest.approx([0.4, 0.7], rel=1e-3)
    errors = log_error(table, "loss", {"sweep": "grid"}, {"sweep": "held out"})
    assert errors == pytest.approx([1.0, 1.0], abs=1e-2)
