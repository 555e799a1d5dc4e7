"""Text from names, values, failures and loggers where people read it: a terminal, a spreadsheet, figures, a browser."""

import csv

import polars as pl
import pytest
from fabricated import fabricate

from overparam.analysis.collect import collect
from overparam.analysis.report import report
from overparam.analysis.tables import write_csv
from overparam.runs.state import read_failure, record_failure
from overparam.sweeps.progress import print_failures, print_running

NASTY = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(1)",
    "-2+3",
    "\t=1",
    " =1",
    "\x1b]0;title\x07\x1b[31mred",
    "[bold]x[/nope]",
    "$\\frac$ $",
    "</script><img src=x onerror=alert(1)>",
    "\u202egnp.exe",
    "-1.5",
    "a-b",
]


def cells(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_no_cell_is_a_formula_and_none_moves_a_cursor(tmp_path):
    table = pl.DataFrame({"=name": NASTY, "list": [["=a", "\x1b"]] * len(NASTY), "x": [-1.5] * len(NASTY)})
    write_csv(table, tmp_path / "table.csv")
    header, *rows = cells(tmp_path / "table.csv")
    assert header == ["'=name", "list", "x"]
    for given, (text, listed, number) in zip(NASTY, rows, strict=True):
        assert text.isprintable()
        assert text.lstrip()[0] not in "=+@" or given == text
        assert listed == '["=a", "\\u001b"]'
        assert number == "-1.5"
    assert [row[0] for row in rows][-2:] == ["-1.5", "a-b"]  # a number, and no formula
    assert rows[0][0] == f"'{NASTY[0]}"


@pytest.fixture
def nasty(tmp_path):
    """A sweep over nasty values, with a failure of each."""
    folder = tmp_path / "$a_{$ [b] </script>"
    for number, text in enumerate(NASTY):
        run = fabricate(folder, seed=number, test_error=0.1 + number / 100)
        summary = (run / "summary.json").read_text()
        import json

        content = json.loads(summary)
        content["config"]["data.=kind"] = text
        content["warnings"] = [f"beware of {text}"]
        (run / "summary.json").write_text(json.dumps(content))
        failed = fabricate(folder, seed=100 + number)
        (failed / "summary.json").unlink()
        record_failure(failed, f"{text}: {text}")
    return folder


def test_a_report_shows_any_text_as_it_is(nasty, capsys):
    files = report(nasty)
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\x07" not in printed
    assert "[bold]x[/nope]" in printed
    for file in files:
        if file.suffix == ".csv":
            assert not any(
                c and c[0] in "=+@\t\r" for row in cells(file) for c in row if not c[1:2].isdigit()
            )
            assert "\x1b" not in file.read_text()
    assert collect(nasty)["data.=kind"].drop_nulls().sort().to_list() == sorted(
        NASTY
    )  # from Python as it was
    figure = next(file for file in files if file.name == "figure.png")
    assert figure.stat().st_size > 0


def test_failures_are_printed_as_they_are(nasty, capsys):
    failures = {run: failure for run in nasty.iterdir() if (failure := read_failure(run)) is not None}
    print_failures(failures)
    print_running(list(failures)[:1])
    printed = capsys.readouterr()
    assert len(failures) == len(NASTY)
    assert "\x1b" not in printed.out + printed.err
    assert "[bold]x[/nope]: [bold]x[/nope]" in printed.err
    assert r"\x1b]0;title\x07\x1b[31mred" in printed.err


def test_names_are_drawn_as_they_are_written(tmp_path):
    from overparam.analysis.drawing import save
    from overparam.analysis.lines import line_figure

    table = pl.DataFrame({"kind": ["$\\bad{$", "$x^2$"], "y": [1.0, 2.0], "seed": [0, 0]})
    figure = line_figure(table, "$\\no{$ $", "kind", ["y"])
    assert len(save(figure, tmp_path / "figure")) == 2  # Matplotlib raises at mathematics that is none
