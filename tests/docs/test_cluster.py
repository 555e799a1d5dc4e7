"""The guide to sweeps on several GPUs and on clusters, as far as a machine without them goes."""

from tests.conftest import read_json


def test_the_guide(follow):
    guide = follow("cluster.md")
    assert len(guide.summaries("grid")) == 6
    grid = guide.folder / "logs" / "grid"
    replaced = {
        path.parent.name.rpartition("-")[0]: read_json(path) for path in grid.glob(".replaced/*/summary.json")
    }
    again = {name: read_json(grid / name / "summary.json") for name in replaced}
    assert len(again) == 4
    assert all(replaced[name]["train_loss"] != summary["train_loss"] for name, summary in again.items())
    packed = guide.summaries("packed")
    assert {run["identity"] for run in packed} == set(again)
