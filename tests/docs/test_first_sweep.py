"""The guide to a first sweep: the numbers that it reads are the sweep's."""

import re

import polars as pl
import pytest

from tests.docs.conftest import DOCS


def test_the_guide(follow):
    guide = follow("first_sweep.md")
    table = pl.read_csv(guide.folder / "logs/first/report/table.csv")
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", (DOCS / "first_sweep.md").read_text(), re.MULTILINE)
    assert [int(width) for width, _ in rows] == table["model.width"].to_list()
    for (_, numbers), found in zip(rows, table.iter_rows(named=True), strict=True):
        per_sample, train_error, fitted, test_error = (float(number) for number in numbers.split(" | "))
        assert found["seeds"] == 3
        assert found["params_per_sample"] == pytest.approx(per_sample, abs=0.006)
        # Packs are not the same bits on every machine, and training amplifies that.
        assert found["train_error"] == pytest.approx(train_error, abs=0.03)
        assert 1 - found["train_error_noisy"] == pytest.approx(fitted, abs=0.05)
        assert found["test_error"] == pytest.approx(test_error, abs=0.03)
        assert found["test_error_ci"] == pytest.approx(2.484 * found["test_error_std"], rel=1e-3)
    assert "of 597 test digits wrong" in guide.printed("look.py")
    assert (guide.folder / "logs/first/report/noise_fitted_vs_width.png").exists()
