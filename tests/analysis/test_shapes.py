"""What is drawn of sweeps of many shapes: panels, axes, lines, marks and words, not pixels.

`python tests/analysis/shapes.py FOLDER` draws them to look at; after a change that is meant,
`python tests/analysis/test_shapes.py` writes shapes.txt anew.
"""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from shapes import OPTIMIZERS, SHAPES, drawn, swept_over, table

from overparam.analysis.figures import error_figure
from overparam.analysis.report import figures
from overparam.analysis.swept import swept

PINNED = Path(__file__).with_name("shapes.txt")
CATEGORIES = ("a category", "a model", "long names alone", "lists", "names alone")
SEEDS = {
    "one run": 1,
    "one seed": 1,
    "two seeds": 2,
    "a model": 2,
    "two that differ in two": 1,
    "300 widths": 1,
    "few and many seeds": "1 to 5",
    "names alone": 1,
}


def describe(figure):
    """Panels of curves in words, and the legend."""
    lines = [f"  {line}" for line in figure.get_suptitle().splitlines()]
    for axes in figure.axes:
        title = axes.get_title().replace("\n", " ")
        low, high = axes.get_xlim()
        ticks = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
        marks = " ".join(text.get_text() for place, text in ticks if low <= place <= high)
        where = f"{axes.get_xlabel()} ({axes.get_xscale()}) at {marks}"
        lines.append(f"  [{title}] {axes.get_ylabel() or '...'} over {where}")
        for line in axes.lines:
            x = np.asarray(line.get_xdata(), dtype=float)
            gaps = x[np.isnan(np.asarray(line.get_ydata(), dtype=float))]
            x = np.setdiff1d(x, gaps) if len(gaps) else x
            but = f" but over {', '.join(f'{gap:g}' for gap in gaps)}" if len(gaps) else ""
            is_joined = line.get_linestyle() != "None" and len(x) > 1
            if line.get_label() and not str(line.get_label()).startswith("_"):
                where = (
                    f"at {x[0]:g}" if line.get_label() == "interpolation threshold" else f"{len(x)} points"
                )
                lines.append(f"    {line.get_label()}: {where}{f' joined{but}' if is_joined else ''}")
        lines += [f"    error bars: {len(c[0].get_xdata())} {c.get_label()}" for c in axes.containers]
        dots = sum(len(c.get_offsets()) for c in axes.collections if isinstance(c, PathCollection))
        lines += [f"    runs as dots: {dots}"] if dots else []
    return lines + [
        f"  legend: {'; '.join(t.get_text() for t in legend.get_texts())}" for legend in figure.legends
    ]


def description():
    """What is drawn of all shapes: the names of all figures, and the first in words."""
    lines = []
    for name in SHAPES:
        found = drawn(name)
        first = next(iter(found), None)
        lines += [f"{name}: {', '.join(found)}", *(describe(found[first]) if first else [])]
    return lines


def test_what_is_drawn_is_what_was_looked_at():
    assert description() == PINNED.read_text().splitlines()


@pytest.mark.parametrize("name", SHAPES)
def test_no_point_is_a_mean_over_settings(name):
    for key, figure in drawn(name).items():
        said = figure.get_suptitle().splitlines()[0]
        seeds = SEEDS.get(name, 3)
        if name != "all failed":
            assert ("one seed" if seeds == 1 else f"over {seeds} seeds") in said, key


@pytest.mark.parametrize("name", CATEGORIES)
def test_names_are_never_joined(name):
    for key, figure in drawn(name).items():
        if "step" not in key:
            assert all(line.get_linestyle() == "None" for axes in figure.axes for line in axes.lines), key


def test_a_band_reaches_no_point_of_fewer_than_three_seeds():
    for axes in drawn("few and many seeds")["figure"].axes:
        bands = [c for c in axes.collections if isinstance(c, PolyCollection)]
        reached = [{float(x) for x in path.vertices[:, 0]} for band in bands for path in band.get_paths()]
        assert [places for places in reached if len(places) > 1] == [{32, 64}]
        bars = [c for c in axes.collections if isinstance(c, LineCollection)]
        assert {float(s[0, 0]) for bar in bars for s in bar.get_segments()} == {4}


def test_names_have_a_legend_without_lines_and_are_told_apart_by_no_dashes():
    figure = drawn("names alone")["figure"]
    assert {handle.get_linestyle() for handle in figure.legends[0].legend_handles} == {"None"}
    assert figure.get_suptitle().splitlines()[1].endswith("alone, of 2 values")


@pytest.mark.parametrize("name", ["width x n x noise x lr", "some failed", "long names", "two seeds"])
def test_nothing_lies_over_the_data(name):
    for key, figure in drawn(name).items():
        FigureCanvasAgg(figure).draw()
        for legend in figure.legends:
            box = legend.get_window_extent()
            assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes), key
            assert box.x1 <= figure.bbox.x1 + 1, key


def test_a_threshold_is_drawn_over_sizes_alone():
    labels = {
        key: {line.get_label() for axes in figure.axes for line in axes.lines}
        for key, figure in drawn("width x n x noise x lr").items()
    }
    with_threshold = {key for key, found in labels.items() if "interpolation threshold" in found}
    assert {"figure", "error_vs_n_train", "error_vs_params_per_sample"} <= with_threshold
    assert not with_threshold & {"error_vs_lr", "error_vs_label_noise", "error_vs_step"}


def test_steps_that_are_left_out_are_named_and_confound_nothing():
    figure = drawn("width x n x noise x lr")["error_vs_step"]
    assert figure.get_suptitle().splitlines()[1] == (
        "label noise 0.2 alone, of 2 values; learning rate 0.1 alone, of 2 values"
    )
    titles = [axes.get_title() for axes in figure.axes[::2]]
    assert titles == [f"test error, n {n}" for n in (100, 200, 400)]


def test_a_learning_rate_that_was_logged_is_drawn_over_the_steps():
    runs, steps = table(swept_over(model__width=(2, 4)))
    logged = steps.with_columns((0.1 / (1 + steps["step"])).alias("lr-Adam"))
    figure = dict(figures(runs, logged, swept(runs), "rates"))["learning_rate_vs_step"]
    assert figure.axes[0].get_ylabel() == "learning rate"
    assert len(figure.axes[0].lines) == 2


def test_what_measures_add_is_drawn_against_the_first_axis():
    runs, steps = table(swept_over(model__width=(2, 4, 8)))
    found = dict(figures(runs.with_columns(ece=runs["test_error"] / 2), steps, ["model.width"], "measured"))
    line = found["ece_vs_width"].axes[0].lines[0]
    np.testing.assert_allclose(2 * line.get_ydata(), found["figure"].axes[0].lines[0].get_ydata())


def test_who_lacks_a_measure_is_not_in_its_legend():
    runs, steps = table([{**o, "model.width": width} for o in OPTIMIZERS.values() for width in (2, 4, 8)])
    own = pl.when(pl.col("choices.optimizer") == "adam").then("test_error")
    found = dict(figures(runs.with_columns(ece=own), steps, swept(runs), "measured"))["ece_vs_width"]
    said = {text.get_text() for legend in found.legends for text in legend.get_texts()}
    assert said == {"adam", "interpolation threshold"}


def test_hundreds_of_parameters_a_sample_are_written_as_such():
    runs, _ = table([{"model.width": width, "data.n_train": 10} for width in (2, 16, 64)])
    (above,) = error_figure(runs, "model.width", [], "many").axes[0].child_axes
    assert [text.get_text() for text in above.get_xticklabels()] == ["15", "120", "480"]


if __name__ == "__main__":
    PINNED.write_text("\n".join(description()) + "\n")
