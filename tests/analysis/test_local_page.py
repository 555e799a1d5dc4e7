"""The page in a real browser: opened from disk, clicked and filtered."""

import json
import shutil

import pytest
from fabricated import fabricate, rewrite_summary

from overparam.analysis.collect import collect, collect_steps
from overparam.analysis.local_page import page_data, write_page
from overparam.analysis.swept import swept
from overparam.runs.state import record_failure

selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install selenium")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Widths 4..64 x noise 0, 0.2 x three seeds, and one failed run."""
    folder = tmp_path_factory.mktemp("logs") / "a_sweep"
    for width in (4, 16, 64):
        for noise in (0.0, 0.2):
            for seed in (0, 1, 2):
                train = 0.3 if width == 4 else 0.05 if width == 16 else 0.0
                test = 0.1 + noise + width / 1000 + seed / 100
                fabricate(folder, width=width, noise=noise, seed=seed, train_error=train, test_error=test)
    failed = fabricate(folder, width=4, noise=0.2, seed=3)
    (failed / "config.yaml").write_text("model:\n  width: 4\ndata:\n  label_noise: 0.2\nseed: 3\n")
    (failed / "summary.json").unlink()
    record_failure(failed, "Diverged: <b>loss</b> is nan")
    return folder


@pytest.fixture(scope="module")
def page(folder):
    runs = collect(folder)
    return write_page(
        folder / "index.html", "a_sweep", runs, collect_steps(folder), swept(runs.filter(status="finished"))
    )


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    if not (CHROMIUM and DRIVER):
        pytest.skip("no Chromium with its driver: apt-get install chromium chromium-driver")
    options = selenium.ChromeOptions()
    options.binary_location = CHROMIUM
    profile = tmp_path_factory.mktemp("profile")
    extra = ["--disable-component-update", "--window-size=1280,1200", f"--user-data-dir={profile}"]
    for flag in (*FLAGS.split(), *extra):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = selenium.Chrome(options=options, service=selenium.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def browser(driver, page):
    return opened(driver, page)


def opened(driver, page):
    from selenium.webdriver.support.ui import WebDriverWait

    driver.get(page.as_uri())
    WebDriverWait(driver, 30).until(lambda d: d.execute_script("return document.body.dataset.ready") == "yes")
    return driver


def text(browser, element):
    return browser.execute_script("return document.getElementById(arguments[0]).textContent", element)


def visible_rows(browser):
    script = "return [...document.querySelectorAll('.row')].map(r => [...r.children].map(c => c.textContent))"
    return browser.execute_script(script)


def uncheck(browser, key, value):
    box = f"fieldset[data-key='{key}'] input[data-value='{value}']"
    browser.find_element("css selector", box).click()


def test_the_page_needs_nothing_but_itself(page):
    content = page.read_text()
    assert "http://" not in content
    assert "https://" not in content
    assert "src=" not in content
    assert "__" not in content.split('type="application/octet-stream"')[0]


def test_the_data_of_the_page_are_the_tables(folder):
    runs, steps = collect(folder), collect_steps(folder)
    data = page_data("a_sweep", runs, steps, swept(runs.filter(status="finished")))
    assert data["keys"] == ["model.width", "data.label_noise"]
    assert data["columns"]["identity"] == sorted(runs["identity"])
    assert data["commands"] == ["train.py -m"]
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
    assert "train.py -m" in text(browser, "commands")
    assert "Diverged: <b>loss</b> is nan" in text(browser, "failures")  # shown, not interpreted
    pixels = "const c = document.getElementById('chart'), d = c.getContext('2d')"
    assert browser.execute_script(
        f"{pixels}; return d.getImageData(0, 0, c.width, c.height).data.some(v => v)"
    )
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_filters_choose_the_runs_of_figure_and_table(browser):
    uncheck(browser, "data.label_noise", "0")
    assert text(browser, "shown") == "10 of 19 runs shown"
    assert all("-p0.2-" in row[0] for row in visible_rows(browser))
    uncheck(browser, "regime", '"under"')
    assert {row[0].split("-")[1] for row in visible_rows(browser) if row[-1] == "finished"} == {"w16", "w64"}
    assert browser.execute_script("return points.length") == 6
    browser.find_element("id", "reset").click()
    assert text(browser, "shown") == "19 of 19 runs shown"


def test_the_lines_are_means_over_seeds(browser):
    pairs = "runs.map(i => [column('model.width')[i], column('test_error')[i]])"
    clean = browser.execute_script(f"return settings('model.width').map(runs => means({pairs}))")[0]
    assert [point["x"] for point in clean] == [4, 16, 64]
    assert [point["mean"] for point in clean] == pytest.approx([0.114, 0.126, 0.174], rel=1e-3)
    assert clean[0]["half"] == pytest.approx(4.303 * 0.01 / 3**0.5, rel=1e-2)


def test_axes_change_scale_and_quantity(browser):
    from selenium.webdriver.support.ui import Select

    for x in ("params_per_sample", "step", "model.width"):
        Select(browser.find_element("id", "x")).select_by_value(x)
        Select(browser.find_element("id", "y")).select_by_value("test_loss")
        browser.find_element("id", "logy").click()
    x4, x16, x64 = browser.execute_script("return [4, 16, 64].map(scales.X)")
    assert x16 - x4 == pytest.approx(x64 - x16)  # a logarithmic axis, suggested by the values
    browser.find_element("id", "logx").click()
    x4, x16, x64 = browser.execute_script("return [4, 16, 64].map(scales.X)")
    assert (x64 - x16) / (x16 - x4) == pytest.approx(4)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def slanted(browser):
    """How many strokes of the chart go from a point to one that differs in x and in y, as curves do, not axes."""
    return browser.execute_script(
        "const old = stroke, paths = []; stroke = (c, path, ...rest) => { paths.push(path); old(c, path, ...rest); };"
        "draw(); stroke = old;"
        "return paths.filter(p => p.some(([x, y], i) => i && x !== p[i - 1][0] && y !== p[i - 1][1])).length"
    )


def test_further_keys_are_colours_panels_and_dashes(browser):
    from selenium.webdriver.support.ui import Select

    assert browser.find_element("id", "facet").get_attribute("value") == "data.label_noise"
    assert browser.execute_script("return panels().map(p => p[0])") == ["label noise 0", "label noise 0.2"]
    edges = browser.execute_script("return [...new Set(points.map(p => p.scales.left))].length")
    assert edges == 2
    assert slanted(browser) == 2  # a curve in each panel
    assert browser.execute_script("return dashOf('model.width').combinations") == []
    Select(browser.find_element("id", "facet")).select_by_value("")
    assert browser.execute_script("return dashOf('model.width').combinations") == [
        "label noise 0",
        "label noise 0.2",
    ]
    assert "dashed: label noise 0.2" in text(browser, "legend")
    assert "runs of a setting: 3" in text(browser, "legend")


def test_a_threshold_is_drawn_over_sizes_alone(browser):
    from selenium.webdriver.support.ui import Select

    assert "interpolation threshold" in text(browser, "legend")
    Select(browser.find_element("id", "x")).select_by_value("data.label_noise")
    assert "interpolation threshold" not in text(browser, "legend")


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
    assert sorted({point["x"] for point in browser.execute_script("return points.map(p => ({x: p.x}))")}) == [
        0,
        1,
    ]
    assert slanted(browser) == 0
    assert "optimizer.lr" not in browser.execute_script("return data.keys")


def test_a_single_run_is_its_training(driver, tmp_path):
    fabricate(tmp_path)
    runs = collect(tmp_path)
    page = write_page(tmp_path / "index.html", "one", runs, collect_steps(tmp_path), swept(runs))
    browser = opened(driver, page)
    assert browser.find_element("id", "x").get_attribute("value") == "step"
    assert slanted(browser) == 1


def test_pointing_at_a_run_tells_its_config_and_a_click_shows_its_training(browser):
    from selenium.webdriver.common.action_chains import ActionChains

    script = "const p = points[0]; return [scales.X(p.x), scales.Y(p.y), column('identity')[p.run]]"
    x, y, identity = browser.execute_script(script)
    chart = browser.find_element("id", "chart")
    left, top = x - chart.size["width"] / 2, y - chart.size["height"] / 2
    ActionChains(browser).move_to_element_with_offset(chart, round(left), round(top)).click().perform()
    tip = text(browser, "tip")
    assert tip.startswith(identity)
    assert f"width: {identity.split('-')[1][1:]}" in tip
    assert "label noise: 0" in tip
    assert text(browser, "selected").startswith(identity)


def test_a_click_on_a_column_sorts_the_table(browser):
    browser.find_element("css selector", "#head div:nth-child(2)").click()
    assert [row[1] for row in visible_rows(browser)][:3] == ["4", "4", "4"]
    browser.find_element("css selector", "#head div:nth-child(2)").click()
    assert visible_rows(browser)[0][1] == "64"


def test_ten_thousand_runs_make_a_few_rows(driver, folder, tmp_path):
    import polars as pl
    from selenium.webdriver.support.ui import WebDriverWait

    runs, steps = collect(folder), collect_steps(folder)
    copies = range(527)
    many = pl.concat([runs.with_columns(pl.col("identity") + f"-{i}", seed=pl.lit(i)) for i in copies])
    curves = pl.concat([steps.with_columns(pl.col("identity") + f"-{i}") for i in copies])
    page = write_page(tmp_path / "index.html", "many", many, curves, ["model.width", "data.label_noise"])
    browser = opened(driver, page)
    assert text(browser, "shown") == "10013 of 10013 runs shown"
    assert len(visible_rows(browser)) < 40
    browser.execute_script("document.getElementById('body').scrollTop = 24 * 9000")
    WebDriverWait(browser, 10).until(
        lambda b: visible_rows(b)[0][0] == b.execute_script("return column('identity')[order[9000]]")
    )
    uncheck(browser, "model.width", "4")
    assert text(browser, "shown") == f"{10013 - 527 * 7} of 10013 runs shown"


def test_no_text_becomes_part_of_the_page(driver, tmp_path):
    nasty = [
        "</script><script>window.taken = 1</script>",
        "<img src=x onerror='window.taken = 1'>",
        '"><svg onload="window.taken = 1">',
        "__SCRIPT__",
        "javascript:window.taken=1",
    ]
    title = f"{nasty[0]}{nasty[1]}__DATA__"
    sweep = tmp_path / "sweep"
    for number, text_given in enumerate(nasty):
        run = fabricate(sweep, seed=number, test_error=0.1 + number / 10)
        rewrite_summary(
            run, config=read_config(run) | {"data.kind": text_given, f"data.{text_given}": number}
        )
        (run / "provenance.json").write_text(
            json.dumps({"command": ["train.py", text_given], "host": text_given})
        )
        failed = fabricate(sweep, seed=100 + number)
        (failed / "summary.json").unlink()
        record_failure(failed, text_given)
    runs = collect(sweep)
    page = write_page(tmp_path / "index.html", title, runs, collect_steps(sweep), ["data.kind"])
    browser = opened(driver, page)
    assert browser.title == title
    assert text(browser, "title") == title
    for given in nasty:
        assert given in text(browser, "failures")
        assert given in text(browser, "filters")
    assert all(given in text(browser, "commands") for given in nasty[:3])  # and no more than five are shown
    browser.find_element("css selector", ".row").click()
    assert browser.execute_script("return document.querySelectorAll('img, svg, iframe').length") == 0
    assert browser.execute_script("return document.scripts.length") == 2
    assert browser.execute_script("return window.taken === undefined")
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def read_config(run):
    return json.loads((run / "summary.json").read_text())["config"]
