"""The page draws what the figures draw, for sweeps of every shape, and lays out any axis as they do."""

import numpy as np
import polars as pl
import pytest
from fabricated import fabricate
from matplotlib.collections import PolyCollection
from shapes import SHAPES, drawn

from overparam.analysis.axes import title_of
from overparam.analysis.collect import collect, collect_steps
from overparam.analysis.drawing import is_number
from overparam.analysis.layout import lay_out
from overparam.analysis.local_page import write_page
from overparam.analysis.swept import swept

pytest.importorskip("selenium", reason="selenium is not installed: pip install selenium")
from opened_page import choose, errors, opened, text

MORE = ("reason", "regime", "command", "git_commit", "git_dirty", "host", "device", "interpolation_step")
DESCRIBED = """
return figure.described.panels.map(panel => ({
  title: panel.title,
  curves: panel.lines.flatMap(l => l.curves).filter(c => c.length).map(c => c.map(v => [v.x, v.mean])),
  bands: panel.lines.flatMap(l => l.curves).filter(c => c.some(v => v.half > 1e-9)).length,
  joined: figure.described.isJoined ? panel.lines.flatMap(l => l.curves).filter(c => c.length > 1).length : 0,
  thresholds: panel.lines.map(l => l.threshold).filter(v => v !== null),
  crosses: figure.plots[figure.described.panels.indexOf(panel)].marks.filter(m => !m.part).length,
}))
"""


@pytest.fixture
def page_of(driver, tmp_path):
    def page(name):
        runs, steps = SHAPES[name]
        runs = runs.with_columns(*[pl.lit(None).alias(key) for key in MORE if key not in runs.columns])
        return opened(driver, write_page(tmp_path / "index.html", name, runs, steps, swept(runs)))

    return page


def assert_same_curves(found, wanted):
    """The page has numbers of four digits, and lines in an order of its own."""
    left = list(wanted)
    for curve in found:
        same = [
            k
            for k, other in enumerate(left)
            if np.shape(other) == np.shape(curve) and np.allclose(curve, other, 1e-3)
        ]
        assert same, curve
        del left[same[0]]
    assert not left


def points_of(line):
    points = np.column_stack([line.get_xdata(), line.get_ydata()]).astype(float)
    return points[np.isfinite(points[:, 1])]  # between them a line may have gaps


def of_figure(axes):
    """What a panel of a figure shows, as the page describes its own."""
    lines = [line for line in axes.lines if line.get_label() in ("test", "train")]
    points = [container[0] for container in axes.containers]
    vertical = [line for line in axes.lines if line.get_label() == "interpolation threshold"]
    bars = sum(container[2][0].get_segments() != [] for container in axes.containers if container[2])
    spread = [c for c in axes.containers if any(np.ptp(s[:, 1]) > 0 for s in c[2][0].get_segments())]
    assert bars >= len(spread)
    return {
        "title": axes.get_title().replace("\n", " "),
        "curves": [points_of(line) for line in [*lines, *points]],
        "bands": sum(isinstance(c, PolyCollection) for c in axes.collections) + len(spread),
        "joined": sum(line.get_linestyle() != "None" and len(line.get_xdata()) > 1 for line in lines),
        "thresholds": sorted(float(line.get_xdata()[0]) for line in vertical),
        "crosses": sum(len(line.get_xdata()) for line in axes.lines if line.get_label() == "failed"),
    }


def of_axis_above(axes):
    """P/n by width, where the figure has an axis of it above; it writes those that have room."""
    ticks = [(axis.get_xticks(), axis.get_xticklabels()) for axis in axes.child_axes]
    return {place: float(text.get_text()) for pair in ticks for place, text in zip(*pair, strict=True)}


@pytest.mark.parametrize("name", [name for name in SHAPES if "figure" in drawn(name)])
def test_the_page_draws_what_the_figure_draws(page_of, name):
    browser = page_of(name)
    found = browser.execute_script(DESCRIBED)
    wanted = [of_figure(axes) for axes in drawn(name)["figure"].axes]
    for panel, other in zip(found, wanted, strict=True):
        assert_same_curves(panel.pop("curves"), other.pop("curves"))
        panel["thresholds"].sort()
        panel["title"] = title_of(panel["title"].split(", ")).replace("\n", " ")
    assert found == wanted
    above = browser.execute_script("return figure.above")
    for axes, shown in zip(drawn(name)["figure"].axes, above, strict=True):
        wanted = of_axis_above(axes)
        assert bool(shown) == bool(wanted)
        assert {width: float(text) for width, text in shown if width in wanted} == wanted
    said = drawn(name)["figure"].get_suptitle().splitlines()
    notes = browser.execute_script("return document.getElementById('notes').textContent").split(" · ")
    assert notes == [said[0].partition(": ")[2], *said[1:]]
    assert errors(browser) == []


@pytest.mark.parametrize("name", [name for name in SHAPES if "figure" not in drawn(name)])
def test_of_one_setting_the_page_draws_its_training(page_of, name):
    browser = page_of(name)
    (panel,) = browser.execute_script(DESCRIBED)
    lines = [line for axes in drawn(name)["error_vs_step"].axes for line in axes.lines]
    wanted = [points_of(line) for line in lines]
    assert_same_curves(panel["curves"], wanted)
    assert panel["joined"] == 2
    assert errors(browser) == []


@pytest.mark.parametrize(
    "name",
    ["width x n x noise x lr", "nine depths", "ten categories", "truth values and none", "some failed"],
)
def test_any_axis_is_laid_out_as_in_the_figures(page_of, name):
    browser, (runs, _) = page_of(name), SHAPES[name]
    keys = swept(runs)
    for x in keys:
        for color, facet in [(None, None), *((key, None) for key in keys), *((None, key) for key in keys)]:
            if x in (color, facet):
                continue
            wanted = lay_out(runs, x, keys, color, facet)
            found = browser.execute_script("return viewLayout(all, ...arguments)", x, color, facet)
            assert (found["color"], found["columns"], tuple(found["rows"]), found["dash"]) == (
                *(wanted.color, wanted.columns, wanted.rows, wanted.dash),
            ), (x, color, facet)
            assert found["kept"] == wanted.kept, (x, color, facet)
    assert browser.execute_script("return data.numeric") == [key for key in keys if is_number(runs, key)]


def test_panels_stand_in_rows_where_the_grid_has_holes(driver, tmp_path):
    holes = [(0.0, 1), (0.0, 2), (0.2, 2), (0.2, 3)]
    for noise, depth in holes:
        for width in (2, 4, 8, 16):
            fabricate(tmp_path, width=width, noise=noise, **{"model.depth": depth})
    runs = collect(tmp_path)
    page = write_page(tmp_path / "index.html", "holes", runs, collect_steps(tmp_path), swept(runs))
    browser = opened(driver, page)
    browser.execute_script("document.getElementById('color').value = ''; redraw()")
    titles = browser.execute_script("return figure.described.panels.map(p => p.title)")
    assert titles[:2] == ["label noise 0, depth 1", "label noise 0.2, depth 1"]
    assert browser.execute_script("return $('chart').style.getPropertyValue('--across')") == "2"


def test_the_legend_has_no_cross_that_is_beyond_the_axis(page_of):
    browser = page_of("some failed")
    assert "all runs failed" in text(browser, "legend")
    browser.execute_script(
        "$('x').value = 'optimizer.lr'; $('typed').value = 'width!=8'; suggestX(); update()"
    )
    assert "all runs failed at learning rate 1e+25" in text(browser, "notes")
    assert "all runs failed" not in text(browser, "legend")


def test_a_band_reaches_no_point_of_fewer_than_three_seeds(page_of):
    browser = page_of("few and many seeds")
    parts = "return withIntervals(figure.described.lines[0].curves[0]).map(part => part.map(c => c.x))"
    assert browser.execute_script(parts) == [[4], [32, 64]]


def test_a_swept_null_is_none_wherever_a_run_is_told(page_of):
    browser = page_of("truth values and none")
    (run,) = browser.execute_script("return [column('clip_norm').indexOf(null)]")
    assert "clip norm: none" in browser.execute_script("return describe(arguments[0])", run)
    browser.execute_script("toggle([arguments[0]]); $('typed').value = 'none'; update()", run)
    assert "clip normnone" in text(browser, "compare")
    assert text(browser, "shown") == "36 of 72 runs shown"


def test_over_a_size_lines_are_those_of_the_figure(page_of):
    browser = page_of("width x n x noise x lr")
    browser.execute_script("document.getElementById('x').value = 'params_per_sample'; suggestX(); redraw()")
    wanted = [of_figure(axes) for axes in drawn("width x n x noise x lr")["error_vs_params_per_sample"].axes]
    found = browser.execute_script(DESCRIBED)
    for panel, other in zip(found, wanted, strict=True):
        assert_same_curves(panel["curves"], other["curves"])


def test_ticks_are_the_swept_values_and_none_is_lost_among_names(page_of):
    browser = page_of("one seed")
    ticks = "const said = []; const old = CanvasRenderingContext2D.prototype.fillText;"
    ticks += "CanvasRenderingContext2D.prototype.fillText = function (s) { said.push(s); };"
    ticks += "draw(); CanvasRenderingContext2D.prototype.fillText = old; return said"
    assert browser.execute_script(ticks)[:7] == ["2", "4", "8", "16", "32", "64", "width"]
    browser = page_of("long names alone")
    assert len([s for s in browser.execute_script(ticks)[:3] if s.startswith(("a_very", "short"))]) == 3


def test_names_are_an_axis_that_nothing_is_joined_along(driver, tmp_path):
    for name, rate, error in (("adam", 0.01, 0.2), ("sgd", 0.1, 0.4)):
        for seed in (0, 1, 2):
            values = {"optimizer._target_": name.title(), "optimizer.lr": rate}
            choices = {"optimizer": name, "model": "mlp"}
            fabricate(tmp_path, seed=seed, test_error=error + seed / 100, choices=choices, **values)
    runs = collect(tmp_path)
    page = write_page(tmp_path / "index.html", "named", runs, collect_steps(tmp_path), swept(runs))
    browser = opened(driver, page)
    assert browser.find_element("id", "x").get_attribute("value") == "choices.optimizer"
    assert browser.execute_script("return figure.described.panels[0].lines[0].curves[0].map(c => c.x)") == [
        0,
        1,
    ]
    assert browser.execute_script("return figure.described.isJoined") is False
    assert "optimizer.lr" not in browser.execute_script("return data.keys")
    choose(browser, "heat", "step")
    assert "a heat map needs numbers along x, and not optimizer" in text(browser, "notes")


def test_a_single_run_is_its_training(driver, tmp_path):
    run = fabricate(tmp_path)
    runs = collect(tmp_path)
    page = write_page(tmp_path / "index.html", "one", runs, collect_steps(tmp_path), swept(runs))
    browser = opened(driver, page)
    assert browser.find_element("id", "x").get_attribute("value") == "step"
    assert browser.execute_script("return figure.described.panels[0].lines[0].curves[0].map(c => c.x)") == [
        1,
        10,
        100,
    ]
    assert run.name in text(browser, "compare")
    assert "test loss during training" in text(browser, "trained")  # the error is in the figure
