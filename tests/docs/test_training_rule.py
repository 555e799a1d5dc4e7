"""The guide to a training rule, a loss, an optimizer and a schedule of one's own."""

import pytest
import torch
from omegaconf import OmegaConf

from overparam.runs.metrics import read_metrics


def test_the_guide(follow):
    guide = follow("training_rule.md")
    (signs,) = guide.folder.glob("logs/signs/mlp-*")
    assert len([row for row in read_metrics(signs) if "batch_loss" in row]) == 4
    (theirs,) = guide.folder.glob("logs/theirs/classifier-*")
    cfg, weights = (
        OmegaConf.load(theirs / "config.yaml"),
        torch.load(theirs / "weights.pt", weights_only=True),
    )
    assert [cfg[key] for key in ("model", "optimizer", "scheduler", "clip_norm")] == [None] * 4
    assert weights["layers.1.weight"].shape == (4, 64)
    assert sum(weight.numel() for weight in weights.values()) == guide.summaries("theirs")[0]["params"]
    assert len(guide.summaries("three")) == 2
    for directory in guide.folder.glob("logs/three/mlp-*"):
        rates = [row["lr-AdamW/pg1"] for row in read_metrics(directory) if "lr-AdamW/pg1" in row]
        assert rates[0] == pytest.approx(1e-3)
        assert max(rates) == rates[5] == pytest.approx(1e-2)
        assert rates[-1] < 1e-3
