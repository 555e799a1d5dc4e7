"""A popular demonstration of benign overfitting, as it is printed, mended, and with what makes overfitting benign."""

import math
from typing import Any

import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from overparam.exact.gradient_descent import min_norm_solution
from overparam.exact.ridge import ridgeless_risk
from overparam.randomness import generator


def benign_demonstration(
    seed: int,
    n: int = 100,
    p: int = 500,
    signal_dims: int = 10,
    noise: float = 0.3,
    n_test: int = 1000,
    tails: tuple[int, ...] = (500, 5000),
    repetitions: int = 20,
) -> list[dict[str, Any]]:
    """Interpolate noisy samples by the minimum-norm solution, in the settings of a demonstration and of its repairs.

    x ~ N(0, I_p), y = x . b + e, b ~ N(0, 1) in the first `signal_dims` coordinates and 0 elsewhere. Variants, by the
    column `variant`:

    - "as printed": inputs standardized by the training set's means and deviations, and a second b, drawn anew, for the
      test set, of which nothing can have been learned;
    - "one teacher": the same with one b;
    - "not standardized": one b, inputs as they are: standardizing centers the columns, so that X X^T is singular;
    - "weak tail": the coordinates that carry no signal have variances of sum 1, 1 / (p - signal_dims) each, with p of
      `tails`: strong directions hold the signal, and many weak ones take up the noise.

    Args:
        seed: root of the streams "exact/demonstration/...".
        n: training samples.
        p: dimensions.
        signal_dims: coordinates that b uses.
        noise: standard deviation of e; the test targets have it too.
        n_test: test samples.
        tails: dimensions of the variant "weak tail".
        repetitions: independent draws, averaged.

    Returns:
        A row for each variant and p: `variant`, `p`, `train_mse`, `test_mse`, `null_mse` of predicting 0, and
        `test_minus_null`; `octaves_above_bar`, log2 of `test_mse` over 2 noise^2, below which the demonstration calls
        the solution benign; for the isotropic variants of one teacher `theory`, the expectation of the test MSE given
        b (see `ridge.ridgeless_risk`), and `test_over_theory`; `norm_signal` and `norm_rest`, the solution's norms in
        the coordinates of the signal and in the others.
    """
    rows = []
    for variant, dims in (
        *(("as printed", p), ("one teacher", p), ("not standardized", p)),
        *(("weak tail", dims) for dims in tails),
    ):
        found = torch.zeros(6, dtype=torch.float64)
        for repetition in range(repetitions):
            rng = generator(seed, "exact", "demonstration", dims, repetition)
            scale = torch.ones(dims, dtype=torch.float64)
            if variant == "weak tail":
                scale[signal_dims:] = (dims - signal_dims) ** -0.5
            x, test_x = (scale * _normal(rng, size, dims) for size in (n, n_test))
            teacher, other = (_normal(rng, signal_dims) for _ in range(2))
            y = x[:, :signal_dims] @ teacher + noise * _normal(rng, n)
            judge = other if variant == "as printed" else teacher
            test_y = test_x[:, :signal_dims] @ judge + noise * _normal(rng, n_test)
            if variant in ("as printed", "one teacher"):
                scaler = StandardScaler().fit(x.numpy())
                x, test_x = (torch.from_numpy(scaler.transform(inputs.numpy())) for inputs in (x, test_x))
            solution = min_norm_solution(x, y)
            errors = ((x @ solution - y).square().mean(), (test_x @ solution - test_y).square().mean())
            norms = (solution[:signal_dims].norm(), solution[signal_dims:].norm())
            # The test targets' noise is paid by every predictor.
            theory = ridgeless_risk(p, n, teacher.square().sum().item(), noise**2) + noise**2
            found += (
                torch.stack([*errors, test_y.square().mean(), *norms, torch.tensor(theory)]) / repetitions
            )
        *values, expected = found.tolist()
        columns = ("train_mse", "test_mse", "null_mse", "norm_signal", "norm_rest")
        row = {"variant": variant, "p": dims, **dict(zip(columns, values, strict=True))}
        row["test_minus_null"] = row["test_mse"] - row["null_mse"]
        row["octaves_above_bar"] = math.log2(row["test_mse"] / (2 * noise**2))
        has_theory = variant in ("one teacher", "not standardized")
        row["theory"] = expected if has_theory else None
        rows.append({**row, "test_over_theory": row["test_mse"] / expected if has_theory else None})
    return rows


def _normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=rng)
