"""The Zipf memory model against sums over its items, and limits of the closed form."""

import numpy as np
import pytest

from overparam.exact.zipf import closed_form, memory_model


def of_items(alpha, size, n, items=2_000_000):
    """The expected loss of a memory that keeps the most probable items of those seen: an upper end of what P can do."""
    chances = np.arange(1.0, items + 1) ** -(1 + alpha)
    total = chances.sum() + items**-alpha / alpha  # the rest of the sum by its integral
    chances /= total
    return 1 - chances[:size] @ (1 - (1 - chances[:size]) ** n), chances @ (1 - chances) ** n


@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_closed_form_is_the_limit_of_the_sums(alpha):
    size, samples = closed_form(alpha, np.array(2000), np.array(20_000))
    with_all_samples, _ = of_items(alpha, 2000, 10**12)
    _, without_limit = of_items(alpha, 1, 20_000)
    assert size == pytest.approx(with_all_samples, rel=0.01)
    assert samples == pytest.approx(without_limit, rel=0.02)


def test_losses_are_what_is_not_kept():
    rows = [row for seed in range(8) for row in memory_model(seed, [1, 2000], [500], (2000, 4000), floor=0.1)]
    wide = [row["loss"] for row in rows if row["params"] == 2000 and row["sweep"] == "grid"]
    _, unseen = of_items(1.0, 1, 500)
    error = np.std(wide, ddof=1) / np.sqrt(len(wide))
    assert np.mean(wide) == pytest.approx(0.1 + 0.9 * unseen, abs=3 * error)
    one = [row["loss"] for row in rows if row["params"] == 1]
    assert one == pytest.approx([0.1 + 0.9 * (1 - 6 / np.pi**2)] * 8)  # the commonest item alone: 1 / zeta(2)
