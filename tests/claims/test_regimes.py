from itertools import product

import polars as pl
import pytest

from overparam.analysis.regime_map import NOISE, WIDTH, N, regime_map
from overparam.claims import regimes


def errors(seed, n, width, noise):
    """A world in which a width of 8 repeats wrong labels, and one of 16 hardly minds them; 4 fits none."""
    train = 0.3 if width == 4 else 0.0
    return 0.1 + {4: 0.05, 8: 1.0, 16: 0.2}[width] * noise + 0.001 * seed * noise, train


@pytest.fixture
def table():
    rows = []
    for seed, n, width, noise in product((0, 1), (100, 200), (4, 8, 16), (0, 0.2, 0.4)):
        test, train = errors(seed, n, width, noise)
        rows.append(
            {"seed": seed, N: n, WIDTH: width, NOISE: noise, "test_error": test, "train_error": train}
        )
    return pl.DataFrame(rows).sample(fraction=1, shuffle=True, seed=0)


def test_a_cost_is_what_noise_adds_by_its_rate(table, monkeypatch):
    monkeypatch.setattr(regimes, "runs", lambda *_: (table, ["a"]))
    found, used = regimes.costs(None, "regimes")
    assert used == ["a"]
    assert len(found) == 2 * 2 * 3 * 2
    for row in found.iter_rows(named=True):
        expected = {4: 0.05, 8: 1.0, 16: 0.2}[row[WIDTH]] + 0.001 * row["seed"]
        assert row["cost"] == pytest.approx(expected)
    # Width 4 costs less, and fits no noise: it does not count.
    assert regimes.least_cost(found, 0.4) == pytest.approx([0.2, 0.201])
    with pytest.raises(ValueError, match=r"no setting with data\.label_noise=0\.3 interpolates"):
        regimes.least_cost(found, 0.3)
    figure = regime_map(found, "costs")
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == ["20% wrong labels", "40% wrong labels"]
    assert len(panels[0].lines[0].get_xdata()) == 4  # two widths that interpolate, at two n
