import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from overparam.exact.diagonal import implicit_bias, least_hypentropy


def hypentropy(b, scale):
    z = b / scale**2
    return np.sum(2 - np.sqrt(4 + z**2) + z * np.arcsinh(z / 2))


@pytest.mark.parametrize("scale", [0.05, 0.3, 3.0])
def test_the_least_q_by_constrained_optimization(scale):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 7)), rng.normal(size=4)
    found = least_hypentropy(torch.from_numpy(x), torch.from_numpy(y), scale).numpy()
    assert x @ found == pytest.approx(y, abs=1e-7)
    null = np.linalg.svd(x)[2][4:]  # what may be added to an interpolator
    other = minimize(lambda c: hypentropy(found + c @ null, scale), np.full(3, 0.1), method="BFGS", tol=1e-12)
    assert np.abs(other.x @ null).max() < 1e-3
    assert hypentropy(found, scale) <= other.fun + 1e-9


def test_a_large_scale_ends_at_the_least_l2_norm_and_a_small_one_near_the_least_l1():
    large, small = implicit_bias(1, [10.0, 1e-3], n=12, dim=20, nonzero=2, tolerance=1e-5)
    assert large["l2_excess"] == pytest.approx(0, abs=0.01)
    assert small["l1_excess"] == pytest.approx(0, abs=0.04)
    assert small["target_risk"] < 1e-2 < large["target_risk"]
    assert max(large["theory_distance"], small["theory_distance"]) < 0.02
