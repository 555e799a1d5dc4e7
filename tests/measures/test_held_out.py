import math

import pytest
import torch

from overparam.data.digits import Digits
from overparam.measures.held_out import held_out
from overparam.measures.subject import Subject
from overparam.training.evaluation import evaluate
from tests.measures.conftest import split


def test_it_is_the_error_on_the_samples_held_out(mlp):
    kept = split((5,), n=30, seed=7)
    subject = Subject(
        *(mlp.net, mlp.initial, mlp.train, mlp.test, mlp.loss, kept),
        evaluate=lambda split, size: evaluate(mlp.net, split, mlp.loss, size),
    )
    row = held_out(subject, batch_size=7)
    outputs = mlp.net(kept.x)
    assert row["held_out_error"] == (outputs.argmax(1) != kept.y).double().mean().item()
    loss = torch.nn.functional.cross_entropy(outputs, kept.y).item()
    assert row["held_out_loss"] == pytest.approx(loss, rel=1e-6)
    assert all(math.isnan(value) for value in held_out(mlp).values())


def test_they_are_of_the_pool_and_not_trained_on():
    def data(**knobs):
        module = Digits(label_noise=0.2, seed=3, **knobs)
        module.setup()
        return module

    everything, part, more = data(), data(n_train=400, held_out=500), data(n_train=700, held_out=500)
    n = part.num_held_out
    assert torch.equal(part.train.x, everything.train.x[:400])  # the same as without
    assert torch.equal(part.held_out.x, everything.train.x[-n:])
    assert torch.equal(part.held_out.y, everything.train.y[-n:])  # with the labels they would be trained on
    assert torch.equal(part.held_out.x, more.held_out.x)  # whatever is trained on
    assert 0.15 < part.held_out.noisy.double().mean() < 0.25
    assert everything.held_out is None
    with pytest.raises(ValueError, match=r"data\.held_out must be between 0 and 500, .* got 501"):
        Digits(n_train=700, held_out=501)
