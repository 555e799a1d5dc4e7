import itertools

import numpy as np
import polars as pl
import pytest
from fabricated import fabricate
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from overparam.analysis.axes import half_way, scale, spaced_ticks, value_text
from overparam.analysis.collect import collect, collect_steps
from overparam.analysis.curves import interpolation_threshold, over_seeds
from overparam.analysis.figures import THEORY, error_figure
from overparam.analysis.lines import line_figure
from overparam.analysis.maps import heat_map
from overparam.analysis.over_steps import step_figure
from overparam.analysis.regimes import regime_map
from overparam.analysis.report import figures, report
from overparam.analysis.swept import swept


def drawn(figure):
    FigureCanvasAgg(figure).draw()
    return figure.axes


def texts(legend):
    return [text.get_text() for text in legend.get_texts()]


@pytest.fixture
def grid(tmp_path):
    """Widths 4, 16, 64, 256 x noise 0, 0.2 x three seeds; the noisy ones interpolate from 64 on."""
    for width in (4, 16, 64, 256):
        for noise in (0.0, 0.2):
            for seed in (0, 1, 2):
                train = 0.0 if width >= 64 or not noise else 0.3
                test = 0.1 + noise + 0.01 * seed
                fabricate(
                    tmp_path / "grid", width=width, noise=noise, seed=seed, train_error=train, test_error=test
                )
    return collect(tmp_path / "grid")


def test_the_interval_over_seeds_is_students():
    table = pl.DataFrame({"x": [1, 1, 1], "y": [1.0, 2.0, 3.0]})
    row = over_seeds(table, ["x"], ["y"]).row(0, named=True)
    assert (row["seeds"], row["y"], row["y_std"]) == (3, 2.0, 1.0)
    assert row["y_ci"] == pytest.approx(4.302652729911275 / np.sqrt(3))  # t(0.975, 2 degrees of freedom)


def test_the_threshold_is_where_the_training_error_stays_small():
    curve = pl.DataFrame({"x": [1, 2, 3, 4], "train_error": [0.3, 0.05, 0.2, 0.01]})
    assert interpolation_threshold(curve, "x") == 4
    assert interpolation_threshold(curve.filter(pl.col("x") < 4), "x") is None


def test_along_n_the_threshold_is_the_last_size_that_is_fitted():
    curve = pl.DataFrame({"n": [100, 200, 400], "train_error": [0.0, 0.1, 0.3]})
    assert interpolation_threshold(curve, "n", is_falling=False) == 200
    assert interpolation_threshold(curve.head(2), "n", is_falling=False) is None
    assert interpolation_threshold(curve.tail(1), "n", is_falling=False) is None


def test_the_top_axis_of_a_width_figure_counts_parameters_per_sample(grid):
    axes = drawn(error_figure(grid.filter(pl.col("data.label_noise") == 0), "model.width", [], "name"))[0]
    (top,) = axes.child_axes
    assert [label.get_text() for label in top.get_xticklabels()] == ["0.26", "1", "4", "16"]


def test_noise_gives_small_multiples_with_the_threshold_of_each(grid):
    figure = error_figure(grid, "model.width", ["data.label_noise"], "name")
    clean, noisy = drawn(figure)
    assert [axes.get_title() for axes in (clean, noisy)] == ["label noise 0", "label noise 0.2"]
    assert clean.get_ylim() == noisy.get_ylim()
    vertical = [line for line in noisy.lines if len(line.get_xdata()) == 2 and line.get_xdata()[0] == 64]
    assert len(vertical) == 1
    assert texts(figure.legends[0]) == ["test", "train", "interpolation threshold"]
    assert not any(axes.get_legend() for axes in figure.axes)  # it would lie over the data
    assert figure.get_suptitle() == "name: mean and 95% interval over 3 seeds"


def test_the_curve_is_the_mean_over_seeds(grid):
    axes = drawn(error_figure(grid, "model.width", ["data.label_noise"], "name"))[1]
    test, train = axes.lines[0], axes.lines[1]
    np.testing.assert_allclose(test.get_ydata(), [0.31] * 4)
    np.testing.assert_allclose(train.get_ydata(), [0.3, 0.3, 0, 0])


def test_a_theory_column_is_drawn(grid):
    clean = grid.filter(pl.col("data.label_noise") == 0).with_columns(pl.lit(0.25).alias(THEORY))
    axes = drawn(error_figure(clean, "model.width", [], "name"))[0]
    (theory,) = [line for line in axes.lines if line.get_label() == "theory"]
    np.testing.assert_allclose(theory.get_ydata(), 0.25)


def test_a_heat_map_has_its_cells_where_the_runs_are(grid):
    noisy = grid.filter(pl.col("data.label_noise") == 0.2).with_columns(steps=pl.col("model.width") * 10)
    axes = drawn(heat_map(noisy, "model.width", "steps", [], "name"))
    z = axes[1].collections[0].get_array()  # training error
    assert z.shape == (4, 4)  # [steps, width]
    assert np.diag(z).tolist() == [0.3, 0.3, 0, 0]
    assert np.ma.count_masked(np.ma.masked_invalid(z)) == 12  # no run, no colour


def test_the_edges_of_cells_are_half_way_on_their_axis():
    assert half_way([1, 2, 4]) == [0.5, 1.5, 3, 5]
    np.testing.assert_allclose(half_way([0.01, 1, 100]), [0.001, 0.1, 10, 1000])
    np.testing.assert_allclose(half_way([0, 1e-4, 1e-2, 1]), [-5e-5, 5e-5, 1e-3, 0.1, 10])


def test_a_value_is_written_as_it_was_given():
    values = (0.9, 0.999, 0.9999, 1e-12, 3e-7, 1e25, 2 / 3, 16, True, None, "[8, 16]")
    wanted = ["0.9", "0.999", "0.9999", "1e-12", "3e-07", "1e+25", "0.667", "16", "true", "none", "[8, 16]"]
    assert [value_text(value) for value in values] == wanted


def test_a_regime_map_has_its_numbers_and_where_noise_is_fitted():
    rows = [
        {"width": w, "n": n, "noise": s, "cost": w * s, "train_error": 0.0 if w > n else 0.1}
        for w in (1, 2, 4)
        for n in (1, 2)
        for s in (0.25, 0.5)
    ]
    panels = drawn(regime_map(pl.DataFrame(rows), "name", "width", "n", "noise", "cost", "train_error"))
    np.testing.assert_allclose(panels[1].collections[0].get_array(), [[0.5, 1, 2], [0.5, 1, 2]])
    assert [text.get_text() for text in panels[0].texts] == ["0.25", "0.5", "1"] * 2
    assert [line.get_xdata()[0] for line in panels[0].lines] == [1, 2]  # from width 2 on, and from width 4


def test_steps_are_drawn_for_each_value_from_step_one_on(grid, tmp_path):
    keys = ["model.width", "data.label_noise"]
    steps = collect_steps(tmp_path / "grid").join(grid.select("identity", "status", *keys), on="identity")
    figure = step_figure(steps, keys, "name")
    axes = drawn(figure)
    assert [a.get_title() for a in axes[:2]] == ["test error, label noise 0", "train error, label noise 0"]
    assert texts(figure.legends[0]) == [f"width {width}" for width in (4, 16, 64, 256)]
    assert axes[0].lines[0].get_xdata().tolist() == [1, 10, 100]


def test_every_swept_key_finds_its_figures_unnamed(tmp_path):
    for width in (4, 16, 64):
        for n in (100, 200, 400):
            fabricate(tmp_path, width=width, n=n, test_error=0.1 + 1 / n)
    table = collect(tmp_path)
    names = [name for name, _ in figures(table, collect_steps(tmp_path), swept(table), "name")]
    assert set(names) == {
        *("figure", "error_vs_n_train", "loss_vs_width", "loss_vs_n_train", "error_vs_step"),
        *("gap_error_vs_width", "noise_fitted_vs_width", "test_and_train_vs_step_by_width"),
        *("error_vs_params_per_sample", "error_over_width_and_step", "error_over_width_and_n_train"),
    }


def test_a_report_writes_figures_tables_and_prints_the_means(sweep, capsys):
    files = report(sweep)
    assert all(file.stat().st_size > 0 for file in files)
    assert {"table.csv", "runs.parquet", "steps.csv", "figure.png", "figure.pdf"} <= {
        file.name for file in files
    }
    printed = capsys.readouterr().out
    assert " 0.405 " in printed  # of two seeds, whose interval says nothing
    assert pl.read_parquet(sweep / "report" / "runs.parquet").schema == collect(sweep).schema


def test_a_report_of_a_single_run_is_its_steps(tmp_path):
    fabricate(tmp_path / "one")
    names = {file.name for file in report(tmp_path / "one") if file.suffix == ".png"}
    assert names == {"error_vs_step.png"}


def test_ticks_that_would_touch_are_left_out():
    assert spaced_ticks([1, 2, 3, 1000]) == [1, 2, 1000]
    assert spaced_ticks([1, 2, 3, 4]) == [1, 2, 3, 4]


def test_a_long_legend_leaves_no_ticks_that_touch():
    rates = [0.0000625 * 2**i for i in range(11)]
    rows = [
        {"optimizer.lr": lr, "model.width": width, "model.parametrization": kind, "loss": lr, "seed": 0}
        for lr, width, kind in itertools.product(rates, [64, 1024], ["standard", "mup_adam"])
    ]
    series = ["model.width", "model.parametrization"]
    figure = line_figure(pl.DataFrame(rows), "t", x="optimizer.lr", y=["loss"], series=series)
    (axes,) = drawn(figure)
    boxes = [text.get_window_extent() for text in axes.get_xticklabels() if text.get_text()]
    assert len(boxes) > 2
    assert all(left.x1 + 3 < right.x0 for left, right in itertools.pairwise(boxes))


def test_long_round_numbers_do_not_touch():
    figure = Figure(figsize=(3.5, 2.5), layout="constrained")
    axes = figure.subplots()
    axes.set_xlim(1200, 1_060_000)
    scale(axes, "x", [1208, 1_050_000], ticks=False, room=0.05)
    drawn(figure)
    boxes = [text.get_window_extent() for text in axes.get_xticklabels() if text.get_text()]
    assert len(boxes) > 2
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))
