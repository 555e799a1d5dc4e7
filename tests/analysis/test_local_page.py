"""The page in a real browser: opened from disk, clicked, typed into and filtered."""

import csv
import json
import shlex
from pathlib import Path
from urllib.parse import unquote, urlparse

import polars as pl
import pytest
from fabricated import fabricate, read_config
from omegaconf import OmegaConf

from overparam.analysis.collect import collect, collect_steps
from overparam.analysis.local_page import SCRIPTS, page_data, write_page
from overparam.analysis.report import report
from overparam.analysis.swept import swept
from overparam.runs.state import record_failure

pytest.importorskip("selenium", reason="selenium is not installed: pip install selenium")
from opened_page import (
    choose,
    click,
    errors,
    move_to_mark,
    opened,
    text,
    type_in,
    uncheck,
    until,
    values_in,
    visible_rows,
)
from selenium.webdriver.common.keys import Keys


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Widths 4..64 x noise 0, 0.2 x three seeds, and one failed run; with its report, and a study's result."""
    folder = tmp_path_factory.mktemp("logs") / "a_sweep"
    for width in (4, 16, 64):
        for noise in (0.0, 0.2):
            for seed in (0, 1, 2):
                train = 0.3 if width == 4 else 0.05 if width == 16 else 0.0
                test = 0.1 + noise + width / 1000 + seed / 100
                run = fabricate(
                    folder, width=width, noise=noise, seed=seed, train_error=train, test_error=test
                )
                command = ["train.py", "-m", "model.width=4,16,64", "data.label_noise=0,0.2", "seed=range(3)"]
                (run / "provenance.json").write_text(json.dumps({"git_commit": "abc", "command": command}))
    failed = fabricate(folder, width=4, noise=0.2, seed=3)
    config = read_config(failed)
    (failed / "config.yaml").write_text(OmegaConf.to_yaml(nested(config)))
    (failed / "summary.json").unlink()
    (failed / "provenance.json").unlink()
    record_failure(failed, "Diverged: <b>loss</b> is nan")
    (folder / "studies").mkdir()
    (folder / "studies" / "landscape.csv").write_text("a,b\n1,2\n")
    report(folder)
    return folder


@pytest.fixture(scope="module")
def page(folder):
    return folder / "report" / "index.html"


@pytest.fixture
def browser(driver, page):
    return opened(driver, page)


def nested(values):
    config = OmegaConf.create()
    for key, value in values.items():
        OmegaConf.update(config, key, value, force_add=True)
    return config


def choose_first(browser, count):
    """Click the first rows of the table, and return their identities."""
    names = [row[0] for row in visible_rows(browser)[:count]]
    for place in range(1, count + 1):
        click(browser, f".row:nth-child({place})")
    return names


def compared(browser):
    """The comparison: a list of cells for each line's name."""
    script = "return [...document.querySelectorAll('#compare tr')].map(r => [...r.children].map(c => c.textContent))"
    return {cells[0]: cells[1:] for cells in browser.execute_script(script)[2:]}


def test_the_page_needs_nothing_but_itself(page):
    content = page.read_text()
    assert "http://" not in content
    assert "https://" not in content
    assert "src=" not in content
    assert "__" not in content.split('type="application/octet-stream"')[0]
    folder = Path(__file__).parents[2] / "src" / "overparam" / "analysis" / "page"
    assert sorted(SCRIPTS) == sorted(path.name for path in folder.glob("*.js"))


def test_the_data_of_the_page_are_the_tables(folder):
    runs, steps = collect(folder), collect_steps(folder)
    data = page_data("a_sweep", runs, steps, swept(runs.filter(status="finished")))
    assert data["keys"] == ["model.width", "data.label_noise"]
    assert data["columns"]["identity"] == sorted(runs["identity"])
    assert data["commands"] == [
        "python scripts/train.py -m model.width=4,16,64 data.label_noise=0,0.2 'seed=range(3)'"
    ]
    assert data["shared"]["git_commit"] == "abc"
    start = data["steps"]["start"]
    for i, identity in enumerate(data["columns"]["identity"]):
        own = steps.filter(identity=identity)
        assert data["steps"]["step"][start[i] : start[i + 1]] == own["step"].to_list()
        assert data["steps"]["quantities"]["test_error"][start[i] : start[i + 1]] == pytest.approx(
            own["test_error"].to_list(), rel=1e-3
        )


def test_it_opens_from_disk_and_says_what_there_is(browser):
    assert text(browser, "title") == "a_sweep"
    assert text(browser, "counts") == "18 finished, 1 failed, 0 unfinished of 19 runs"
    assert "python scripts/train.py -m model.width=4,16,64" in text(browser, "commands")
    assert "Diverged: <b>loss</b> is nan" in text(browser, "failures")  # shown, not interpreted
    drawn = "return [...document.querySelectorAll('#chart canvas:first-child, #training canvas:first-child')].map("
    drawn += "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v))"
    assert browser.execute_script(drawn) == [True] * 3  # two panels, and the training before any click
    assert errors(browser) == []


@pytest.mark.parametrize("size", [(1920, 1080), (1366, 768), (390, 844)])
def test_nothing_is_cut_off_at_any_width(driver, page, size):
    browser = opened(driver, page, size)
    width = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    content, window = browser.execute_script(width)
    assert content <= window
    edge = browser.execute_script("return document.getElementById('body').getBoundingClientRect().right")
    assert edge >= window - 20  # all of the width is used
    table = "const b = document.getElementById('body'); return [b.scrollWidth, b.clientWidth]"
    inside, shown = browser.execute_script(table)
    assert inside <= shown or size[0] < 1920
    panels = "return [...document.querySelectorAll('.panel')].map(p => p.getBoundingClientRect().top)"
    tops = browser.execute_script(panels)
    assert len(set(tops)) == (2 if size[0] < 700 else 1)  # below each other on a phone


def test_filters_choose_the_runs_of_figure_and_table(browser):
    uncheck(browser, "data.label_noise", "0")
    assert text(browser, "shown") == "10 of 19 runs shown"
    assert all("-p0.2-" in row[0] for row in visible_rows(browser))
    uncheck(browser, "regime", '"under"')
    assert set(values_in(browser, "model.width")) == {"16", "64", "4"}
    assert [run[0] for run in visible_rows(browser) if run[-1] == "failed"] == ["mlp-w4-n1200-p0.2-s3-"]
    assert browser.execute_script("return figure.described.panels.map(p => p.runs.length)") == [7]
    click(browser, "#reset")
    assert text(browser, "shown") == "19 of 19 runs shown"


@pytest.mark.parametrize(
    ("typed", "count"),
    [
        ("width>=16 seed=0", 4),
        ("w64-", 6),
        ("W64- p0.2", 3),
        ("status=failed", 1),
        ("nan", 1),  # the reason of a failure
        ("label_noise!=0 width<16", 4),
        ("label noise != 0 width < 16", 4),
        ("(.*", 0),
        ("test_error<=0.116", 3),
        ("nothing=1", 0),
        ("", 19),
    ],
)
def test_typing_filters_runs_by_words_and_comparisons(browser, typed, count):
    type_in(browser, typed)
    assert text(browser, "shown") == f"{count} of 19 runs shown"
    assert len(visible_rows(browser)) == count
    assert errors(browser) == []


def test_a_filter_changes_no_colour(browser):
    choose(browser, "facet", "")
    colors = "return figure.described.panels[0].lines.map(l => [l.hue, l.color])"
    before = dict(browser.execute_script(colors))
    uncheck(browser, "data.label_noise", "0")
    choose(browser, "color", "data.label_noise")
    assert dict(browser.execute_script(colors)) == {0.2: before[0.2]}


def test_the_lines_are_means_over_seeds(browser):
    clean = browser.execute_script("return figure.described.panels[0].lines[0].curves[0]")
    assert [point["x"] for point in clean] == [4, 16, 64]
    assert [point["mean"] for point in clean] == pytest.approx([0.114, 0.126, 0.174], rel=1e-3)
    assert clean[0]["half"] == pytest.approx(4.303 * 0.01 / 3**0.5, rel=1e-2)
    many = "return means(Array.from({length: 31}, (_, i) => [1, i, i]))[0].half"
    assert browser.execute_script(many) == pytest.approx(2.0423 * 82.667**0.5 / 31**0.5, rel=2e-3)


def test_axes_change_scale_and_quantity(browser):
    for x in ("params_per_sample", "step", "model.width"):
        choose(browser, "x", x)
        choose(browser, "y", "test_loss")
        click(browser, "#logy")
    x4, x16, x64 = browser.execute_script("return [4, 16, 64].map(figure.X)")
    assert x16 - x4 == pytest.approx(x64 - x16)  # a logarithmic axis, suggested by the values
    click(browser, "#logx")
    x4, x16, x64 = browser.execute_script("return [4, 16, 64].map(figure.X)")
    assert (x64 - x16) / (x16 - x4) == pytest.approx(4)
    assert errors(browser) == []


def test_further_keys_are_colours_panels_and_dashes(browser):
    titles = "return figure.described.panels.map(p => p.title)"
    assert browser.execute_script(titles) == ["label noise 0", "label noise 0.2"]
    assert browser.execute_script("return figure.described.panels.map(p => p.lines.length)") == [1, 1]
    assert text(browser, "notes").startswith("mean and 95% interval over 3 seeds")
    choose(browser, "facet", "")
    assert browser.execute_script(titles) == [""]
    assert "label noise 0.2" in text(browser, "legend")
    choose(browser, "color", "")
    assert browser.execute_script("return figure.described.layout.dash") == "data.label_noise"


def test_a_threshold_is_drawn_over_sizes_alone(browser):
    assert "interpolation threshold" in text(browser, "legend")
    choose(browser, "x", "data.label_noise")
    assert "interpolation threshold" not in text(browser, "legend")


def test_two_axes_make_a_heat_map(browser):
    choose(browser, "heat", "data.label_noise")
    cells = browser.execute_script("return figure.described.panels[0].cells.map(c => [c.x, c.y, c.mean])")
    wanted = [[w, p, pytest.approx(0.11 + p + w / 1000, rel=1e-3)] for w in (4, 16, 64) for p in (0, 0.2)]
    assert sorted(cells) == wanted
    assert "white: where the mean train error crosses 0.1" in text(browser, "legend")
    move_to_mark(browser, 0, 0, then="click")  # a cell is its three seeds
    assert "3 runs" in text(browser, "tip")
    assert len(compared(browser)["seed"]) == 3
    choose(browser, "heat", "step")
    assert browser.execute_script("return figure.described.ys") == [1, 10, 100]
    choose(browser, "heat", "")
    assert browser.execute_script("return figure.isHeat") is False
    assert errors(browser) == []


def test_pointing_at_a_run_shows_its_config_and_its_training(browser):
    single = "return figure.plots[0].marks.findIndex(m => m.runs.length === 1)"
    mark = browser.execute_script(single)
    move_to_mark(browser, 0, mark)
    run, identity = browser.execute_script(
        f"const r = figure.plots[0].marks[{mark}].runs[0]; return [r, column('identity')[r]]"
    )
    tip = text(browser, "tip")
    assert tip.startswith(identity)
    assert f"width: {identity.split('-')[1][1:]}" in tip
    assert "label noise: 0" in tip
    assert browser.execute_script("return hovered") == [run]
    drawn = "const c = training.over; return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v)"
    assert browser.execute_script(drawn)  # its curve is beside the sweep's
    move_to_mark(browser, 0, mark, then="click")
    assert browser.execute_script("return chosenRuns()") == [run]
    assert identity in text(browser, "compare")


def test_runs_are_compared_what_differs_first(browser):
    names = choose_first(browser, 2)
    lines = compared(browser)
    assert lines["seed"] == ["0", "1"]
    assert list(lines).index("seed") < list(lines).index("width")
    assert "dashed: train error" in text(browser, "trained")
    assert [run for run in names if run in text(browser, "compare")] == names
    click(browser, "#compare th button")
    assert names[0] not in text(browser, "compare")
    choose_first(browser, 9)
    assert browser.execute_script("return [chosen.size, new Set(chosen.values()).size]") == [
        7,
        7,
    ]  # a colour for each
    click(browser, "#clear")
    assert text(browser, "compare") == ""


def test_a_runs_command_is_copied(browser):
    click(browser, "#body .row:nth-child(4)")
    click(browser, "#compare td button")
    until(browser, lambda b: "copied" in text(b, "compare"))
    click(browser, "#compare td button")  # again, while it says so
    browser.find_element("id", "typed").send_keys(Keys.CONTROL, "v")
    pasted = browser.find_element("id", "typed").get_property("value")
    keys = ("model.width", "data.label_noise", "seed")
    values = "return arguments[0].map(key => column(key)[chosenRuns()[0]])"
    wanted = zip(keys, browser.execute_script(values, keys), strict=True)
    until(browser, lambda b: "copied" not in text(b, "compare"))
    words = shlex.split(pasted)
    assert words[:2] == ["python", "scripts/train.py"]
    assert [(key, float(value)) for key, value in (word.split("=") for word in words[2:])] == list(wanted)


def test_folders_figures_tables_and_studies_are_a_click_away(browser, page):
    (name,) = choose_first(browser, 1)
    link = browser.find_element("css selector", "#compare a").get_property("href")
    assert Path(unquote(urlparse(link).path)) == page.parents[1] / name
    links = {a.text: a.get_property("href") for a in browser.find_elements("css selector", "#links a")}
    assert {"figure", "error vs step", "runs.csv", "table.csv", "landscape.csv"} <= set(links)
    assert all(Path(unquote(urlparse(link).path)).is_file() for link in links.values())


def test_a_click_on_a_column_sorts_the_table(browser):
    click(browser, "#head th:nth-child(2) button")
    assert values_in(browser, "model.width")[:3] == ["4", "4", "4"]
    click(browser, "#head th:nth-child(2) button")
    assert values_in(browser, "model.width")[0] == "64"
    assert (
        browser.find_element("css selector", "#head th:nth-child(2)").get_attribute("aria-sort")
        == "descending"
    )


def test_the_shown_table_is_exported(browser, tmp_path):
    allowed = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", allowed)
    type_in(browser, "seed=0 width>4")
    click(browser, "#head th:nth-child(2) button")
    click(browser, "#head th:nth-child(2) button")
    click(browser, "#export")
    until(browser, lambda _: (tmp_path / "a_sweep.csv").exists())
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "deny"})
    with (tmp_path / "a_sweep.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header[:4] == ["identity", "model.width", "data.label_noise", "seed"]
    assert [row[1:4] for row in rows] == [
        ["64", "0", "0"],
        ["64", "0.2", "0"],
        ["16", "0", "0"],
        ["16", "0.2", "0"],
    ]


def test_the_keyboard_does_what_the_mouse_does(browser):
    browser.find_element("tag name", "body").send_keys("/")
    browser.switch_to.active_element.send_keys("seed=1")
    assert text(browser, "shown") == "6 of 19 runs shown"
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert text(browser, "shown") == "19 of 19 runs shown"
    table = browser.find_element("id", "body")
    table.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER)
    assert browser.execute_script("return chosenRuns()") == browser.execute_script("return [order[1]]")
    table.send_keys(Keys.END)
    assert browser.execute_script("return hovered[0] === order[18]")
    table.send_keys(Keys.HOME, "c")
    until(browser, lambda b: text(b, "copied") == "copied")
    plot = browser.find_element("css selector", "#chart .plot")
    plot.send_keys(Keys.ARROW_RIGHT)
    assert text(browser, "tip")
    plot.send_keys(Keys.ENTER)
    assert len(browser.execute_script("return chosenRuns()")) > 1


def test_it_is_dark_where_one_wants_it_dark(driver, page):
    browser = opened(driver, page)
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = browser.execute_script(ground)
    click(browser, "#theme")
    dark = browser.execute_script(ground)
    assert sum(map(int, dark[4:-1].split(","))) < 120 < 600 < sum(map(int, light[4:-1].split(",")))
    assert browser.execute_script("return categorical(6)") == "#ffffff"  # no black line on black
    browser.execute_script("localStorage.clear()")
    asked = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", asked)
    assert opened(driver, page).execute_script(ground) == dark
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_ten_thousand_runs_make_a_few_rows(driver, folder, tmp_path):
    runs, steps = collect(folder), collect_steps(folder)
    copies = range(527)
    many = pl.concat([runs.with_columns(pl.col("identity") + f"-{i}", seed=pl.lit(i)) for i in copies])
    curves = pl.concat([steps.with_columns(pl.col("identity") + f"-{i}") for i in copies])
    page = write_page(tmp_path / "index.html", "many", many, curves, ["model.width", "data.label_noise"])
    browser = opened(driver, page)
    assert text(browser, "shown") == "10013 of 10013 runs shown"
    assert len(visible_rows(browser)) < 50
    browser.execute_script("document.getElementById('body').scrollTop = ROW * 9000")
    wanted = browser.execute_script("return column('identity')[order[9000]]")
    until(browser, lambda b: wanted in [row[0] for row in visible_rows(b)])
    uncheck(browser, "model.width", "4")
    assert text(browser, "shown") == f"{10013 - 527 * 7} of 10013 runs shown"
    type_in(browser, "seed=11")
    assert text(browser, "shown") == "12 of 10013 runs shown"
    choose(browser, "heat", "data.label_noise")
    assert browser.execute_script("return figure.described.panels[0].cells.length") == 4
    assert errors(browser) == []
