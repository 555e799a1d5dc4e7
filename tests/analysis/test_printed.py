"""What commands print of tables, at the 80 columns of a terminal that nobody has widened."""

import polars as pl
import pytest
from scipy import stats

from overparam.analysis.curves import over_seeds
from overparam.analysis.printed import print_settings, print_study
from overparam.analysis.report import COLUMNS


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def runs(seeds, **more):
    rows = [
        {
            **{"model.width": width, "seed": seed, "params_per_sample": width / 4, "train_error": 0.0},
            **{"train_error_noisy": None, "test_error": 0.2 + 0.01 * seed, "test_loss": 1.0, **more},
        }
        for width in (2, 4)
        for seed in range(seeds)
    ]
    return pl.DataFrame(rows, schema_overrides={"train_error_noisy": pl.Float64})


def shown(capsys):
    """The lines printed, and the table's rows as lists of cells."""
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    rows = [[cell.strip() for cell in line.strip("┃│").split(line[0])] for line in lines if line[0] in "┃│"]
    return lines, rows


def settings(seeds, **more):
    table = over_seeds(runs(seeds, **more), ["model.width"], [*COLUMNS, *more])
    print_settings(table, ["model.width"], list(more))


def test_a_deviation_is_the_interval_of_the_figures_and_says_so(capsys):
    settings(seeds=5)
    lines, (head, row, _) = shown(capsys)
    assert head == ["width", "P/n", "train error", "test error", "seeds"]  # and no column without a value
    half = stats.t.ppf(0.975, 4) * pl.Series([0.2, 0.21, 0.22, 0.23, 0.24]).std() / 5**0.5
    assert row == ["2", "0.50", "0.000", f"0.220 ± {half:.3f}", "5"]
    assert lines[-1] == "± is the 95% interval of the mean over seeds"


def test_a_setting_is_one_line_at_80_columns(capsys):
    table = pl.concat(
        runs(seeds=3, **{"data.label_noise": noise}).with_columns(train_error_noisy=pl.lit(0.5))
        for noise in (0.1, 0.2)
    )
    keys = ["model.width", "data.label_noise"]
    print_settings(over_seeds(table, keys, COLUMNS), keys, [])
    _, (head, *rows) = shown(capsys)
    assert head == ["width", "label noise", "P/n", "train error", "noise fitted", "test error", "seeds"]
    assert len(rows) == 4
    assert all("±" in row[5] and row[6] == "3" for row in rows)


def test_many_keys_and_long_names_leave_every_number_whole_at_80_columns(capsys):
    six = {"model.depth": 1, "data.label_noise": 0.2, "optimizer.lr": 1e-5, "trainer.max_steps": 1000}
    table = runs(seeds=3, **six, clip_norm=None, ece=0.5).with_columns(train_error_noisy=pl.lit(0.5))
    keys = ["model.width", *six, "clip_norm"]
    summary = over_seeds(table, keys, [*COLUMNS, "ece"]).with_columns(failed=pl.lit(1))
    print_settings(summary, keys, ["ece"])
    lines, (*heads, row, _) = shown(capsys)
    assert len(heads) == 2  # words below each other
    assert row[:6] == ["2", "1", "0.2", "1e-05", "1000", "none"]
    assert row[-3:] == ["0.210 ± 0.025", "3", "1"]
    assert any("more columns, in table.csv" in line for line in lines)
    assert not any("…" in line for line in lines)
    names = [f"a_very_long_name_of_an_augmentation_{end}" for end in ("of_one_kind", "of_another")]
    table = pl.concat(runs(seeds=3).with_columns(pl.lit(name).alias("choices.kind")) for name in names)
    keys = ["choices.kind", "model.width"]
    print_settings(over_seeds(table, keys, COLUMNS), keys, [])
    _, rows = shown(capsys)
    assert len({row[0] for row in rows if row[0].startswith("a_very")}) == 2


def test_two_seeds_have_no_interval_as_in_the_figures(capsys):
    settings(seeds=2)
    lines, (_, row, _) = shown(capsys)
    assert row[3] == "0.205"
    assert not any("±" in line for line in lines)


def test_measures_are_shown_while_there_is_room(capsys):
    settings(seeds=1, **{f"measure_number_{number}": 1.5 for number in range(9)})
    lines, (head, row, _) = shown(capsys)
    measures = [text for text in head if text.startswith("measure number")]
    assert measures
    assert head[4 : 4 + len(measures)] == measures
    assert row[4] == "1.5"
    assert lines[-1] == f"and {9 - len(measures)} more columns, in table.csv"


def study(**columns):
    """Two widths, three seeds, and for each as many rows as a column has values."""
    rows = [
        {
            "model.width": width,
            "seed": seed,
            "identity": f"{width}-{seed}",
            **dict(zip(columns, values, strict=True)),
        }
        for width in (4, 16)
        for seed in range(3)
        for values in zip(*columns.values(), strict=True)
    ]
    return pl.DataFrame(rows)


def test_a_number_of_each_run_is_summed_up_by_its_mean(capsys):
    table = study(gain=[0.5]).with_columns(gain=pl.col("seed") + 0.5)
    print_study(table, "averaging")
    lines, rows = shown(capsys)
    half = stats.t.ppf(0.975, 2) / 3**0.5
    assert rows == [["width", "gain", "rows"], *([width, f"1.5 ± {half:.2g}", "3"] for width in ("4", "16"))]
    assert lines[-2:] == [
        "means over seeds of 6 rows; all are in averaging.csv",
        "± is the 95% interval of the mean over seeds",
    ]


def test_a_surface_is_summed_up_by_its_range(capsys):
    print_study(study(alpha=[-1.0, 0, 1, 2], test_error=[0.5, 0.25, 0.125, 0.5]), "landscape", ["test_error"])
    lines, rows = shown(capsys)
    assert rows == [
        ["width", "test error", "alpha", "rows"],
        *([width, "0.125 to 0.5", "-1 to 2", "12"] for width in ("4", "16")),
    ]
    assert lines[-1] == "lowest to highest of 24 rows; all are in landscape.csv"


def test_pairs_hang_together_and_have_a_mean_without_an_interval(capsys):
    pairs = study(first=["a", "a", "b"], second=["b", "c", "c"], barrier=[1.0, 2.0, 6.0])
    print_study(pairs, "connectivity")
    _, rows = shown(capsys)
    assert rows == [["width", "barrier", "rows"], ["4", "3", "9"], ["16", "3", "9"]]


def test_methods_are_rows_and_a_few_rows_are_printed_as_they_are(capsys):
    few = study(method=["none", "pruned"], size=[1.0, 0.5]).filter(pl.col("seed") == 0)
    print_study(few, "compression")
    lines, rows = shown(capsys)
    assert rows[0] == ["width", "method", "size"]
    assert rows[1:] == [[w, m, s] for w in ("4", "16") for m, s in (("none", "1"), ("pruned", "0.5"))]
    assert not any("rows" in line for line in lines)
