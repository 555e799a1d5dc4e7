"""Networks of every family fit what they are given, and give the same numbers again."""

import math

import pytest
import torch

from overparam.runs.identity import run_directory
from overparam.training.run import train

FITS = {
    "transformer": ("model.width=16", "model.depth=1", "trainer.max_steps=250"),
    "vgg": ("model.width=4", "model.depth=11", "data.batch_size=30", "trainer.max_steps=100"),
}


@pytest.mark.parametrize("model", FITS)
def test_it_fits_digits_twice_the_same(small, model):
    weights = []
    for name in ("first", "second"):
        cfg = small(f"model={model}", *FITS[model], "optimizer.lr=3e-3", f"name={name}")
        summary = train(cfg)
        assert summary["train_error"] == 0
        assert summary["test_error"] < 0.5
        weights.append(torch.load(run_directory(cfg) / "weights.pt", weights_only=True))
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


@pytest.mark.parametrize("model", FITS)
def test_it_trains_in_bfloat16(small, model):
    precise, coarse = (
        train(small(f"model={model}", *FITS[model], "trainer.max_steps=20", f"trainer.precision={precision}"))
        for precision in ("32-true", "bf16-mixed")
    )
    assert math.isclose(precise["train_loss"], coarse["train_loss"], abs_tol=0.2)
