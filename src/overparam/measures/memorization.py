"""Memorization: wrong labels fitted, and what a test set with wrong labels would say."""

import math

import torch

from overparam.measures.subject import Subject


def memorization(subject: Subject) -> dict[str, float]:
    """Measure what a network did with the wrong labels of its training set.

    With p the realized share of wrong labels and K classes:

    - `noise_fitted`: share of the wrongly labelled training samples given their wrong label; 1 is full
      memorization (Zhang et al. 2017). NaN without label noise. (The first step at which the whole training
      set is fitted is the run's `interpolation_step`.)
    - `noisy_test_error`: expected test error e' if each test label were wrong with probability p, uniformly
      among the other classes: e' = (1 - p) e + p (1 - e / (K - 1)), with e the clean test error. A classifier
      that is always right has e' = p; it is no measure of harm done by fitting noise.

    NaN for regression. Costs one forward pass over both splits.
    """
    if subject.train.y.is_floating_point():
        return {"noise_fitted": math.nan, "noisy_test_error": math.nan}
    with torch.no_grad():
        outputs = subject.net(subject.inputs(subject.train))
        wrong = outputs.argmax(1) != subject.train.y
        test_wrong = subject.net(subject.inputs(subject.test)).argmax(1) != subject.test.y
    noisy = subject.train.noisy
    rate = noisy.double().mean().item()
    error = test_wrong.double().mean().item()
    return {
        "noise_fitted": 1 - wrong[noisy].double().mean().item() if rate > 0 else math.nan,
        "noisy_test_error": noisy_label_error(error, rate, outputs.shape[1]),
    }


def noisy_label_error(error: float, rate: float, num_classes: int) -> float:
    """Return the expected error against labels flipped to a uniform other class with probability `rate`."""
    return (1 - rate) * error + rate * (1 - error / (num_classes - 1))
