import polars as pl
import pytest

from overparam.claims import noise
from overparam.claims.trained import Setup


def test_a_cost_is_the_rise_over_the_run_of_the_same_setting_and_seed(monkeypatch, tmp_path):
    rows = [
        {
            "seed": seed,
            "model.width": width,
            "data.label_noise": level,
            "model.norm": norm,
            "test_error": error,
        }
        for seed, width, norm, level, error in [
            (0, 4, None, 0.0, 0.10),
            (0, 4, None, 0.2, 0.30),
            (0, 4, None, 0.4, 0.30),
            (0, 8, "batch", 0.0, 0.05),
            (0, 8, "batch", 0.2, 0.05),
            (1, 4, None, 0.0, 0.20),
            (1, 4, None, 0.4, 0.00),
            (1, 8, "batch", 0.4, 0.50),  # its run without noise is missing
        ]
    ]
    table = pl.DataFrame(rows).with_columns(pl.lit("all").alias("sweep"))
    monkeypatch.setattr(noise, "runs", lambda setup, experiment: (table, [experiment]))
    found, names = noise.cost_of_noise(Setup(tmp_path, (0, 1)), "mine")
    assert names == ["mine"]
    costs = found.sort("seed", "model.width", "data.label_noise")["cost"].to_list()
    assert costs == [pytest.approx(1.0), pytest.approx(0.5), pytest.approx(0.0), pytest.approx(-0.5), None]
