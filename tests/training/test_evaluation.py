import itertools
import math

import pytest
import torch

from overparam.data.module import Split
from overparam.training.evaluation import evaluate, log_spaced_steps
from overparam.training.objective import cross_entropy, mse


def test_log_spaced_steps():
    assert log_spaced_steps(1, 10) == [0, 1]
    assert log_spaced_steps(100, 3) == [0, 1, 2, 5, 10, 22, 46, 100]
    steps = log_spaced_steps(500_000, 10)
    assert (steps[0], steps[-1]) == (0, 500_000)
    assert steps == sorted(set(steps))
    ratios = [b / a for a, b in itertools.pairwise(steps[12:])]
    assert max(ratios) < 1.32


def test_evaluate_by_hand():
    # Outputs are the inputs; three of four labels agree with the largest output.
    x = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0], [0.0, 2.0]], dtype=torch.float64)
    y = torch.tensor([0, 1, 0, 0])
    noisy = torch.tensor([False, True, False, True])
    right, wrong = math.log1p(math.exp(-2)), math.log1p(math.exp(2))
    for batch_size in (1, 3, 100):
        result = evaluate(lambda x: x, Split(x, y, noisy), cross_entropy, batch_size)
        assert result["loss"] == pytest.approx((3 * right + wrong) / 4, abs=1e-12)
        assert (result["error"], result["error_clean"], result["error_noisy"]) == (0.25, 0.0, 0.5)


def test_a_group_without_samples_is_nan():
    x, y = torch.eye(2), torch.tensor([0, 1])
    result = evaluate(lambda x: x, Split(x, y, torch.zeros(2, dtype=torch.bool)), mse, 10)
    assert math.isnan(result["error_noisy"])
    assert result["error_clean"] == result["error"] == 0
    assert result["loss"] == 0  # squared error against one-hot targets


def test_regression_error_is_the_squared_error():
    x, y = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [4.0]])
    result = evaluate(lambda x: x, Split(x, y, torch.zeros(2, dtype=torch.bool)), mse, 10)
    assert result["error"] == result["loss"] == 2.5
