"""The guide to a network of one's own."""

import pytest


def test_the_guide(follow):
    guide = follow("network.md")
    alone, packed = guide.summaries("mine"), guide.summaries("packed")
    assert [run["params"] for run in alone] == [18 * w * w + 32 * w + 10 for w in (2, 2, 4, 4)]
    assert [run["identity"] for run in packed] == [run["identity"] for run in alone]
    losses = [[run["train_loss"] for run in runs] for runs in (packed, alone)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    # A width asked for by size is that width, and the run is the same.
    assert alone[2]["identity"] in guide.printed("target_params")
