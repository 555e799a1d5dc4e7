import math

import pytest

from overparam.exact.demonstration import benign_demonstration


def test_the_demonstration_fails_as_printed_and_its_repair_is_benign():
    rows = [benign_demonstration(seed, n_test=300, tails=(500,), repetitions=10) for seed in range(4)]
    mean = {
        row["variant"]: {
            key: sum(run[i][key] for run in rows) / 4
            for key in (
                "train_mse",
                "test_mse",
                "null_mse",
                "octaves_above_bar",
                "norm_signal",
                "norm_rest",
                "theory",
            )
            if row[key] is not None
        }
        for i, row in enumerate(rows[0])
    }
    # Another teacher for the test set: its variance 10 is missed, and the learned n/p of the first teacher's added.
    assert mean["as printed"]["test_mse"] == pytest.approx(12, rel=0.3)
    assert mean["as printed"]["test_mse"] > mean["as printed"]["null_mse"]
    squares = (mean["not standardized"]["theory"] - 9 / 399 - 0.09) / (
        1 - 100 / 500
    )  # ||b||^2 of these draws
    assert squares == pytest.approx(10, rel=0.3)
    assert mean["not standardized"]["test_mse"] == pytest.approx(mean["not standardized"]["theory"], rel=0.05)
    # Centered columns cannot fit the mean of the targets: the scaler makes the Gram matrix singular.
    assert mean["one teacher"]["train_mse"] > 0.01
    assert mean["not standardized"]["train_mse"] < 1e-20
    # The projection on n of p directions keeps n/p of ||b||^2 in the mean, of which n/p lies in b's own coordinates.
    assert mean["not standardized"]["norm_signal"] == pytest.approx(
        mean["not standardized"]["norm_rest"] / 2, rel=0.3
    )
    assert mean["weak tail"]["test_mse"] < 0.18
    assert mean["weak tail"]["octaves_above_bar"] < 0 < mean["not standardized"]["octaves_above_bar"]
    assert rows[0][0]["octaves_above_bar"] == pytest.approx(math.log2(rows[0][0]["test_mse"] / 0.18))
