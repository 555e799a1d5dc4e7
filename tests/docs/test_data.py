"""The guide to data of one's own."""

import pytest

from overparam.runs.metrics import read_metrics


def test_the_guide(follow):
    guide = follow("data.md")
    wine = guide.summaries("wine")
    assert [(run["n_train"], run["num_outputs"]) for run in wine] == [(20, 3), (20, 3), (60, 3), (60, 3)]
    assert [run["config"]["data.label_noise"] for run in wine] == [0, 0.2, 0, 0.2]
    assert [run["noise_rate"] for run in wine] == pytest.approx([0, 0.2, 0, 0.2], abs=0.15)
    (chosen,) = guide.summaries("chosen")
    (directory,) = guide.folder.glob("logs/chosen/mlp-*")
    errors = [row["val_error"] for row in read_metrics(directory)]
    assert chosen["val_error"] == errors[-1] == min(errors)
    (images,) = guide.summaries("folder")
    assert (images["n_train"], images["num_outputs"], images["params"]) == (60, 3, (192 + 1) * 8 + 9 * 3)
    # A fixed sample of 30.
    assert images["train_error"] * 30 == pytest.approx(round(images["train_error"] * 30))
    assert images["test_error"] < 0.5
