"""Runs that different code made are told apart in tables, reports and claims."""

import doctest

import polars as pl
from fabricated import fabricate

from overparam.analysis import code
from overparam.analysis.code import code_labels, codes, mixed_codes
from overparam.analysis.collect import collect
from overparam.analysis.report import report
from overparam.analysis.swept import swept
from overparam.claims import ledger
from overparam.claims.verdict import Effect
from overparam.runs.summary import write_json


def test_labels_name_the_files_that_differ():
    assert doctest.testmod(code).failed == 0
    assert code_labels([{"lab": "a" * 16}, {"lab": "b" * 16}]) == ["lab aaaaaaa", "lab bbbbbbb"]
    assert code_labels([{"lab": "1", "x.py": "2"}, {"lab": "3", "x.py": "4"}]) == [
        "lab 1, x.py 2",
        "lab 3, x.py 4",
    ]
    assert codes(pl.Series("code", ["any", "a", "b", "b", None])) == ["b", "a"]


def made_by(folder, digest, **values):
    run = fabricate(folder, **values)
    write_json(run / "provenance.json", {"git_commit": "abc", "sources": {"net.py": digest}})
    return run


def test_a_report_says_so_first_and_marks_each_setting(tmp_path, capsys):
    sweep = tmp_path / "mixed"
    for seed in (0, 1):
        for width in (4, 8):
            made_by(sweep, "old" if (seed, width) == (0, 4) else "new", seed=seed, width=width)
    report(sweep)
    said = capsys.readouterr().out
    assert (
        "4 runs were made by 2 codes (net.py new: 3; net.py old: 1), and 1 of 2 settings averages over several: "
        "retrain=true trains the older again"
    ) in said
    table = pl.read_csv(sweep / "report" / "table.csv").sort("model.width")
    assert table["code"].to_list() == ["net.py new | net.py old", "net.py new"]
    assert collect(sweep)["code"].value_counts(sort=True)["code"].to_list() == ["net.py new", "net.py old"]
    assert swept(collect(sweep)) == ["model.width"]


def test_one_code_is_no_column_and_no_line(tmp_path, capsys):
    for seed in (0, 1):
        made_by(tmp_path / "one", "new", seed=seed)
    report(tmp_path / "one")
    said = capsys.readouterr().out
    assert " codes " not in said
    assert " code " not in said
    assert "code" not in pl.read_csv(tmp_path / "one" / "report" / "table.csv").columns
    assert mixed_codes(collect(tmp_path / "one"), []) is None


def test_a_claim_names_it_in_the_ledger(tmp_path):
    for seed, digest in enumerate(("old", "new")):
        made_by(tmp_path / "mine", digest, seed=seed)
    found = codes(collect(tmp_path / "mine")["code"])
    assert sorted(found) == ["net.py new", "net.py old"]
    effect = Effect("gap", "a gap", 0.0, [1.0, 1.1])
    entry = ledger.Entry(1, "c", "claim", "before", [effect], "c.png", ["a", "b"], [0, 1], 1.0, found)
    assert "| 2, made by 2 codes: " in ledger.table_lines([entry])[-1]
