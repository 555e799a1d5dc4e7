"""Linear regression by the lab's pieces against the closed forms of `ridge`, and of gradient descent over time."""

import math
from collections.abc import Sequence
from typing import Any

from overparam.data.linear import LinearRegression
from overparam.exact.ridge import ridge_risk, ridgeless_risk
from overparam.exact.trained import history
from overparam.models.random_features import least_squares_readout


def ridge_path(
    seed: int,
    ratios: Sequence[float],
    curve: Sequence[float] = (),
    n: int = 200,
    penalties: Sequence[float] = (0.0,),
    signal: float = 5.0,
    noise: float = 1.0,
    test_size: int = 1000,
) -> list[dict[str, Any]]:
    """Fit the lab's isotropic linear data by least squares, in every dimension p.

    Args:
        seed: of the data.
        ratios: p/n, measured.
        curve: p/n at which the theory alone is computed.
        n: samples.
        penalties: on ||b||^2, beside the mean of squares; 0 is the minimum-norm solution.
        signal: squared norm of the coefficients.
        noise: variance of the targets' noise.
        test_size: samples that the excess risk is measured on.

    Returns:
        A row for each p and penalty: `measured` and `theory`, the excess risk; the theory is exact for penalty 0
        (`ridge.ridgeless_risk`), and the limit of large n and p for others (`ridge.ridge_risk`).
    """
    rows = []
    for ratio in sorted({*ratios, *curve}):
        p = round(ratio * n)
        data = LinearRegression(
            input_dim=p,
            signal_norm=signal,
            label_noise=math.sqrt(noise),
            n_train=n,
            pool_size=n,
            test_size=test_size,
            seed=seed,
        )
        for penalty in penalties:
            theory = (
                ridge_risk(p / n, penalty, signal, noise) if penalty else ridgeless_risk(p, n, signal, noise)
            )
            row = {"p_per_n": p / n, "penalty": penalty, "measured": None, "theory": theory}
            if ratio in ratios:
                data.setup()
                readout = least_squares_readout(data.train.x, data.train.y, ridge=n * penalty)
                row["measured"] = (data.test.x @ readout.T - data.test.y).square().mean().item()
            rows.append(row)
    return rows


def two_scale_risk(
    steps: float, lr: float, scales: Sequence[float], energies: Sequence[float], noise: Sequence[float]
) -> float:
    """Return the excess risk of gradient descent on ||X b - y||^2 / (2n) from zero, for n far above p.

    Heckel & Yilmaz 2021, theorem 1: sum over groups of features of energy (1 - lr scale^2)^2t, the part of the signal
    that is not learned, plus noise (1 - (1 - lr scale^2)^t)^2, what is learned of the noise.

    Args:
        steps: t.
        lr: learning rate.
        scales: standard deviation of the features of each group.
        energies: variance that each group gives the target.
        noise: for each group its number of features, times the noise's variance over n.
    """
    left = [(1 - lr * scale**2) ** steps for scale in scales]
    return sum(e * a**2 + s * (1 - a) ** 2 for a, e, s in zip(left, energies, noise, strict=True))


def two_scale_training(
    seed: int,
    max_steps: int = 2000,
    per_decade: int = 4,
    n: int = 4000,
    dim: int = 40,
    slow_scale: float = 0.1,
    noise: float = 10.0,
    lr: float = 0.25,
) -> list[dict[str, Any]]:
    """Train a run of the lab on data=two_scale with model=linear, by gradient descent.

    Args:
        seed: of the run.
        max_steps: of the run.
        per_decade: evaluations a factor of ten in steps.
        n: samples; the theory leaves out p/n.
        dim: features of each of the two scales, 1 and `slow_scale`.
        slow_scale: standard deviation of the slow features.
        noise: standard deviation of the targets' noise.
        lr: learning rate on the lab's loss, which is the mean of squares, not half of it.

    Returns:
        A row for each evaluation after step 0: `step`, `measured`, the test loss, and `theory`.
    """
    metrics = history(
        *("data=two_scale", "model=linear", "model.bias=false", "optimizer=sgd", "optimizer.momentum=0"),
        *(f"data.{side}_dim={dim}" for side in ("fast", "slow")),
        *(f"data.{size}={n}" for size in ("n_train", "pool_size", "test_size")),
        *(f"data.slow_scale={slow_scale}", f"data.label_noise={noise}", f"optimizer.lr={lr}"),
        *(f"trainer.max_steps={max_steps}", "trainer.precision=64-true", f"seed={seed}"),
        f"evaluation.per_decade={per_decade}",
    )
    learned = [dim * noise**2 / n] * 2
    return [
        {
            "step": row["step"],
            "measured": row["test_loss"],
            "theory": two_scale_risk(row["step"], 2 * lr, (1.0, slow_scale), (1.0, 1.0), learned),
        }
        for row in metrics
        if row["step"]
    ]
