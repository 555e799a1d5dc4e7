"""Random-feature ridge regression in the proportional limit: the double descent of Mei & Montanari 2022."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from overparam.data.linear import LinearRegression
from overparam.models.random_features import RandomFeatures
from overparam.randomness import derive_seed, drawing

# Of a ReLU of a standard Gaussian G: E[G relu(G)]^2, and the variance of relu(G) that is not linear in G.
LINEAR = 0.25
NONLINEAR = 0.5 - 1 / (2 * math.pi) - LINEAR


def random_features_risk(
    features: float, samples: float, penalty: float, signal: float = 1.0, noise: float = 0.0
) -> float:
    """Return the limiting excess risk of ridge regression on N ReLU features of n samples in dimension d.

    B signal + V noise, with the bias B = E1 / E0 and the variance V = E2 / E0 of Mei & Montanari 2022: targets
    are <b, x> + e with ||b||^2 = `signal`, and the readout a minimizes
    (1/n) sum (y - sum_j a_j relu(<w_j, x>))^2 + (N penalty / d) ||a||^2 where <w_j, x> has unit variance.

    Args:
        features: psi_1 = N/d.
        samples: psi_2 = n/d.
        penalty: lambda > 0.
        signal: squared norm of b.
        noise: variance of e.
    """
    z = LINEAR / NONLINEAR  # zeta^2
    scale = math.sqrt(features * samples * penalty / NONLINEAR)
    # At xi = i scale the two Stieltjes transforms are i times positive numbers, found by damped iteration.
    first, second = features / scale, samples / scale
    for _ in range(100_000):
        share = z / (1 + z * first * second)
        after = (
            (first + features / (scale + second + share * second)) / 2,
            (second + samples / (scale + first + share * first)) / 2,
        )
        change = abs(after[0] - first) + abs(after[1] - second)
        first, second = after
        if change < 1e-14 * (first + second):
            break
    chi, one, two = -first * second, features, samples
    e0 = (
        -(chi**5) * z**3
        + 3 * chi**4 * z**2
        + chi**3 * ((one * two - one - two + 1) * z**3 - 2 * z**2 - 3 * z)
        + chi**2 * ((one + two - 3 * one * two + 1) * z**2 + 2 * z + 1)
        + 3 * one * two * chi * z
        - one * two
    )
    e1 = two * chi**3 * z**2 - two * chi**2 * z + one * two * chi * z - one * two
    e2 = (
        chi**5 * z**3
        - 3 * chi**4 * z**2
        + chi**3 * ((one - 1) * z**3 + 2 * z**2 + 3 * z)
        + chi**2 * (-(one + 1) * z**2 - 2 * z - 1)
    )
    return signal * e1 / e0 + noise * e2 / e0


def relu_features(
    seed: int,
    features_per_sample: Sequence[float],
    curve: Sequence[float] = (),
    dim: int = 300,
    samples_per_dim: float = 1.5,
    penalties: Sequence[float] = (1e-3, 0.1),
    noise: float = 0.25,
    test_size: int = 2000,
) -> list[dict[str, Any]]:
    """Solve for the readout of the lab's ReLU features on the lab's isotropic linear data, ||b|| = 1.

    Args:
        seed: of data and features.
        features_per_sample: N/n, measured.
        curve: N/n at which the theory alone is computed.
        dim: d. The theory is of its limit, from which the risk differs by order 1/d.
        samples_per_dim: n/d.
        penalties: lambda, see `random_features_risk`.
        noise: variance of the targets' noise.
        test_size: samples that the excess risk is measured on.

    Returns:
        A row for each penalty and N/n: `measured` and `theory`, the excess risk.
    """
    n = round(samples_per_dim * dim)
    data = LinearRegression(
        input_dim=dim, n_train=n, pool_size=n, test_size=test_size, label_noise=math.sqrt(noise), seed=seed
    )
    data.setup()
    rows = []
    for ratio in sorted({*features_per_sample, *curve}):
        width = round(ratio * n)
        with drawing(derive_seed(seed, "init")):
            net = RandomFeatures((dim,), 1, width, features="relu")
        for penalty in penalties:
            row = {"features_per_sample": width / n, "penalty": penalty, "measured": None}
            row["theory"] = random_features_risk(width / dim, n / dim, penalty, noise=noise)
            if ratio in features_per_sample:
                net.solve(data.train.x, data.train.y, ridge=2 * n * penalty / dim)  # features have sqrt(2/N)
                with torch.no_grad():
                    row["measured"] = (net(data.test.x) - data.test.y).square().mean().item()
            rows.append(row)
    return rows
