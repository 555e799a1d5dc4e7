"""A validation split, the weights chosen by it, and training error on a sample: what is saved is what was evaluated."""

import pytest
import torch

from overparam.errors import ConfigError
from overparam.runs.identity import run_directory
from overparam.runs.metrics import read_metrics
from overparam.training.build import assemble
from overparam.training.evaluation import evaluate
from overparam.training.finished import load_run
from overparam.training.run import train

OVERFITS = ("data.held_out=200", "data.label_noise=0.4", "model.width=128", "trainer.max_steps=200")


def test_the_weights_of_the_best_validation_are_saved_and_summed_up(small):
    plain = train(small(*OVERFITS))
    cfg = small(*OVERFITS, "callbacks=best_weights")
    chosen = train(cfg)
    rows = read_metrics(run_directory(cfg))
    best = min(row["val_error"] for row in rows[:-1])
    assert best < plain["val_error"]
    assert chosen["val_error"] == best
    assert chosen["identity"] != plain["identity"]
    run = load_run(run_directory(cfg))
    splits = run.parts.data.splits()
    for name in ("train", "test", "val"):
        found = evaluate(run.net, splits[name], run.loss, 2048)
        assert found["error"] == pytest.approx(chosen[f"{name}_error"], abs=1e-12)


def test_without_a_validation_split_it_is_refused_in_one_line(small):
    with pytest.raises(ConfigError, match="watches val_error, and there is no validation split"):
        train(small("callbacks=best_weights"))


@pytest.mark.parametrize("level", [1.0, 0.0])
def test_a_run_stops_at_the_first_evaluation_at_a_loss(small, level):
    knobs = ("callbacks=stop_at_loss", f"callbacks.stop_at_loss.stopping_threshold={level}")
    cfg = small(*knobs, "evaluation.per_decade=40", "optimizer.lr=0.01")
    summary = train(cfg)
    rows = read_metrics(run_directory(cfg))
    *before, last = rows
    assert summary["steps"] == last["step"]
    assert all(row["train_loss"] > level for row in before)
    if level > 0:
        assert last["train_loss"] <= level
        assert 1 < summary["steps"] < 40
    else:
        assert summary["steps"] == 40  # it never gets there


def test_an_average_of_the_weights_is_evaluated_and_saved(small):
    cfg = small("callbacks=ema", "callbacks.ema.decay=0.9", "optimizer.lr=0.05")
    summary, plain = train(cfg), train(small("optimizer.lr=0.05"))
    assert summary["test_loss"] != plain["test_loss"]
    run = load_run(run_directory(cfg))
    found = evaluate(run.net, run.test, run.loss, 2048)
    assert found["loss"] == pytest.approx(summary["test_loss"], rel=1e-6)


def test_training_error_on_a_sample_is_that_of_the_first_ones(small):
    whole, part = small("data.n_train=100"), small("data.n_train=100", "evaluation.train_samples=30")
    train(whole)
    train(part)
    run = load_run(run_directory(part))
    found = evaluate(run.net, run.train.first(30), run.loss, 2048)
    last = read_metrics(run_directory(part))[-1]
    assert (found["loss"], found["error"]) == (last["train_loss"], last["train_error"])
    weights = [torch.load(run_directory(cfg) / "weights.pt", weights_only=True) for cfg in (whole, part)]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert read_metrics(run_directory(whole))[-1]["test_error"] == last["test_error"]
    with pytest.raises(ConfigError, match=r"evaluation\.train_samples must be greater than 0"):
        assemble(small("evaluation.train_samples=0"))
