"""Texts of runs reach the page, and what is exported from it, as texts: in a real browser."""

import csv
import json
import shlex

import pytest
from fabricated import fabricate, read_config, rewrite_summary

from overparam.analysis.collect import collect, collect_steps
from overparam.analysis.local_page import write_page
from overparam.runs.state import record_failure

pytest.importorskip("selenium", reason="selenium is not installed: pip install selenium")
from opened_page import click, errors, opened, text

FORMULAS = (
    *("=cmd|' /C calc'!A0", "+1+1", "@SUM(1)", "-2+3", "\t=1", "\x1b]0;title\x07red", 'a,"b"\nc'),
    *("\u202egnp.exe", "-1.5"),
)


def test_the_exported_table_holds_no_formula_and_moves_no_cursor(driver, tmp_path):
    for number, given in enumerate(FORMULAS):
        run = fabricate(tmp_path, seed=number)
        rewrite_summary(run, config=read_config(run) | {"data.kind": given})
    runs = collect(tmp_path)
    page = write_page(tmp_path / "index.html", "=title", runs, collect_steps(tmp_path), ["data.kind"])
    browser = opened(driver, page)
    content = browser.execute_script("return csv()")
    assert all(c.isprintable() or c == "\n" for c in content)
    header, *rows = csv.reader(content.splitlines())
    place = header.index("data.kind")
    found = {int(row[header.index("seed")]): row[place] for row in rows}
    assert found[0] == "'=cmd|' /C calc'!A0"
    assert [found[i][0] for i in range(4)] == ["'"] * 4
    assert found[8] == "-1.5"
    assert all(not cell.lstrip().startswith(("=", "@", "+")) for cell in found.values())
    assert "\x1b" not in browser.find_element("tag name", "body").text


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
    assert all(
        shlex.quote(given) in text(browser, "commands") for given in nasty[:3]
    )  # and no more than five are shown
    for key in ("#head button", ".row", "#compare button", ".row", "#failures button", "#export"):
        click(browser, key)
    assert browser.execute_script("return document.querySelectorAll('img, svg, iframe, b b').length") == 0
    assert browser.execute_script("return document.scripts.length") == 2
    assert browser.execute_script("return window.taken === undefined")
    assert errors(browser) == []
