"""The page of the texts' sentences says of each row what the ledger says."""

import re

import pytest

from overparam.claims.publish import published_entries
from tests.conftest import ROOT

ROWS = re.findall(
    r"^\| ([A-D]\d+[a-d]?) \| (.+) \| \*\*(.+)\*\* \| (.+) \|$",
    (ROOT / ".github" / "docs" / "statements.md").read_text(),
    re.MULTILINE,
)
SENTENCES = {"A": 5, "B": 18, "C": 4, "D": 4}
NAMED = re.compile(r"`(\d\d_\w+)`(?:: (holds|does not hold|inconclusive|to be rerun)\b)?")


def test_every_sentence_is_there():
    found = {re.sub(r"[a-d]$", "", name) for name, *_ in ROWS}
    assert found == {f"{text}{number}" for text, count in SENTENCES.items() for number in range(1, count + 1)}


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_it_quotes_the_ledger(row):
    _, _, says, why = row
    ledger = {entry.name: entry.verdict for entry in published_entries(ROOT)}
    quoted = NAMED.findall(why)
    assert says in ("supported", "contradicted", "in part", "undecided", "not tested here")
    assert bool(quoted) != (says == "not tested here")
    for name, verdict in quoted:
        assert ledger.get(name) == verdict, name
    if says == "undecided":
        assert "holds" not in {verdict for _, verdict in quoted}
    if says in ("supported", "contradicted"):
        assert {"holds", "does not hold"} & {verdict for _, verdict in quoted}
