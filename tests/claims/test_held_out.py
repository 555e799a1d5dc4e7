from itertools import product

import polars as pl
import pytest

from overparam.claims import held_out


def test_a_larger_run_is_trained_after_it_was_predicted(monkeypatch):
    order = []

    def runs(setup, experiment, sweeps):
        (name,) = sweeps
        order.append(name)
        grid = product((0, 1), *(((8, 32, 128), (64, 256, 1024)) if name == "grid" else ((1024,), (4096,))))
        rows = [
            {"seed": s, "params": p, "n_train": n, "test_loss": 2 / p + (s + 1) / n**0.5, "sweep": name}
            for s, p, n in grid
        ]
        return pl.DataFrame(rows), [name]

    def fit(*columns):
        order.append("fit")
        return held_out_fit(*columns)

    held_out_fit = held_out.fit
    monkeypatch.setattr(held_out, "runs", runs)
    monkeypatch.setattr(held_out, "fit", fit)
    table, used = held_out.predicted(None, "scaling_laws", {"grid": [], "larger": []})
    assert order == ["grid", "fit", "fit", "larger"]
    assert used == ["grid", "larger"]
    assert table["predicted"].to_list() == pytest.approx(table["test_loss"].to_list(), rel=1e-2)
