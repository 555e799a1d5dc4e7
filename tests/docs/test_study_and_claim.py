"""The guide to a study and a claim of one's own."""

import polars as pl


def test_the_guide(follow):
    guide = follow("study_and_claim.md")
    runs = {run["identity"]: run for run in guide.summaries("mine")}
    table = pl.read_csv(guide.folder / "logs/mine/studies/robustness.csv")
    assert set(table["identity"]) == set(runs)
    for identity, error in table.select("identity", "clean_error").rows():
        assert abs(error - runs[identity]["test_error"]) < 1e-9
    assert "wide_is_better" in (guide.folder / "logs/claims/ledger.md").read_text()
