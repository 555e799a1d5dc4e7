import pytest

from overparam.claims import sources
from overparam.claims.sources import Place

TINY = ["model.width=2,4", "trainer.max_steps=10", "data.n_train=40", "trainer.accelerator=cpu"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("logs"), (0, 1))


def test_runs_trains_what_is_missing_for_the_asked_seeds_only(place):
    table = sources.runs(place, "random_labels", [TINY])
    assert set(table["seed"]) == {0, 1}
    assert set(table["model.width"]) == {2, 4}
    written = {path: path.stat().st_mtime_ns for path in place.logs.glob("*/*/summary.json")}
    reach = sources.steps(
        place, "random_labels", [TINY], reach={"never": {"train_loss": -1.0}, "at_once": {"train_loss": 99}}
    )
    assert {path: path.stat().st_mtime_ns for path in written} == written  # trained once
    assert set(reach["never"]) == {20}
    assert set(reach["at_once"]) == {0}
    one = sources.runs(Place(place.logs, (1,)), "random_labels", [TINY])
    assert set(one["seed"]) == {1}


def test_a_sweep_that_cannot_train_says_why(place):
    with pytest.raises(RuntimeError, match=r"random_labels failed: .*width must be a positive integer"):
        sources.runs(place, "random_labels", [["model.width=0"]])
