"""The guide to a night on one machine: its commands, killed in the middle, on the cores of this one."""

from tests.conftest import read_json


def test_the_guide(follow):
    guide = follow("one_box.md")
    night = guide.summaries("night")
    assert [(run["config"]["model.width"], run["config"]["seed"]) for run in night] == [
        (width, seed) for width in (2, 4) for seed in (0, 1, 2)
    ]
    assert {run["config"]["trainer.precision"] for run in night} == {"bf16-mixed"}
    assert [run["pack"] for run in guide.summaries("trial")] == [None, None]
    assert "6 finished" not in guide.printed("overparam-status")  # it was killed before
    folder = guide.folder / "logs/night"
    before = {name for name in folder.glob("*/provenance.json") if read_json(name).get("resumed_at")}
    assert len(before) <= 4  # what had finished was not continued
