"""Ridgeless and ridge regression, compared with their exact and limiting risks."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from scipy.optimize import brentq
from torch import Tensor

from overparam.models.random_features import least_squares_readout
from overparam.randomness import generator


def ridge_regression(
    seed: int,
    dims: Sequence[int],
    n: int = 200,
    signal: float = 5.0,
    noise: float = 1.0,
    penalties: Sequence[float] = (0.0,),
    repetitions: int = 5,
) -> list[dict[str, Any]]:
    """Fit y = x . b + e in every dimension p, with x ~ N(0, I_p), ||b||^2 = `signal`, e ~ N(0, `noise`).

    The estimator minimizes ||y - X b||^2 / n + penalty ||b||^2; penalty 0 is the minimum-norm least-squares
    solution. Its excess risk on a new sample, without the noise, is ||b_hat - b||^2, exact given X, y.

    Args:
        seed: root of the streams "exact/ridge/...".
        dims: the dimensions p.
        n: samples.
        signal: r2 = ||b||^2.
        noise: s2, variance of e.
        penalties: values of the penalty.
        repetitions: independent draws of (X, b, e), averaged.

    Returns:
        A row for each p and penalty: `p`, `p_per_n`, `penalty`, `excess_risk` (mean), `theory` (exact for penalty
        0, see `ridgeless_risk`; limiting for others, see `ridge_risk`), `risk_over_theory`.
    """
    rows = []
    for p in dims:
        risks = dict.fromkeys(penalties, 0.0)
        for repetition in range(repetitions):
            rng = generator(seed, "exact", "ridge", p, repetition)
            x = torch.randn(n, p, dtype=torch.float64, generator=rng)
            b = torch.randn(p, dtype=torch.float64, generator=rng)
            b *= math.sqrt(signal) / b.norm()
            y = x @ b + math.sqrt(noise) * torch.randn(n, dtype=torch.float64, generator=rng)
            for penalty in penalties:
                estimate = least_squares_readout(x, y[:, None], ridge=n * penalty)[0]
                risks[penalty] += (estimate - b).square().sum().item() / repetitions
        for penalty, risk in risks.items():
            exact = ridgeless_risk(p, n, signal, noise)
            theory = ridge_risk(p / n, penalty, signal, noise) if penalty else exact
            row = {"p": p, "p_per_n": p / n, "penalty": penalty, "excess_risk": risk}
            rows.append({**row, "theory": theory, "risk_over_theory": risk / theory})
    return rows


def ridgeless_risk(p: int, n: int, signal: float, noise: float) -> float:
    """Return the exact expected excess risk of minimum-norm least squares on isotropic Gaussian inputs.

    p <= n - 2: s2 p / (n - p - 1); p >= n + 2: r2 (1 - n/p) + s2 n / (p - n - 1), by the mean of the inverse
    Wishart matrix; the limit is theorem 1 of Hastie et al. 2019. Infinite for |p - n| <= 1.
    """
    if abs(p - n) <= 1:
        return math.inf
    if p < n:
        return noise * p / (n - p - 1)
    return signal * (1 - n / p) + noise * n / (p - n - 1)


def ridge_risk(ratio: float, penalty: float, signal: float, noise: float) -> float:
    """Return the limiting excess risk of ridge regression as p, n grow with p/n = `ratio`.

    r2 l^2 m' + s2 ratio (m - l m'), with m(-l) the Stieltjes transform of the Marchenko-Pastur law and m' its
    derivative there (Dobriban & Wager 2018, theorem 2.1; Hastie et al. 2019, theorem 5). Least at
    l = ratio s2 / r2.
    """
    a, b = ratio, 1 - ratio + penalty
    root = math.sqrt(b * b + 4 * a * penalty)
    m = (root - b) / (2 * a * penalty)
    # m solves a l m^2 + b m - 1 = 0; its derivative in l is -m' of the resolvent at -l.
    slope = (a * m * m + m) / (2 * a * penalty * m + b)
    return signal * penalty**2 * slope + noise * a * (m - penalty * slope)


def min_norm_interpolation(
    seed: int, spectra: Sequence[dict[str, int]], noise: float = 1.0, repetitions: int = 3
) -> list[dict[str, Any]]:
    """Interpolate noisy data by the minimum-norm solution where Sigma has a head and a flat tail.

    x ~ N(0, Sigma), Sigma with `k` unit eigenvalues and p - k equal ones whose sum is 1 (k = 0: all are 1);
    y = x . b + e, with b a unit vector in the span of the first k eigenvectors (k = 0: in R^p).
    Risks are exact given the sample: E (x . b_hat - y)^2 = (b_hat - b)^T Sigma (b_hat - b) + noise. The estimator is
    linear in y, b_hat = A X b + A e, so that its excess risk has two parts: what it does not learn of the signal, and
    what it pays for fitting the noise.

    Args:
        seed: root of the streams "exact/benign/...".
        spectra: a list of {n, k, p}.
        noise: variance of e; the least possible test error.
        repetitions: independent draws, averaged.

    Returns:
        A row for each spectrum: `n`, `k`, `p`, `train_mse`, `test_over_noise` (1 is best), `theory`, its
        deterministic equivalent (see `min_norm_risk`), `signal_missed`, the excess risk without noise, as a share of
        the signal's variance b^T Sigma b; `noise_cost`, the excess risk without signal, as a share of the noise;
        `effective_rank` (r_k of Bartlett et al. 2020: the tail's trace over its largest eigenvalue). Overfitting is
        benign if it is far above n and k is far below n.
    """
    rows = []
    for spectrum in spectra:
        n, k, p = spectrum["n"], spectrum["k"], spectrum["p"]
        eigenvalues = torch.ones(p, dtype=torch.float64)
        head = k or p
        eigenvalues[head:] = 1 / max(p - head, 1)
        train = test = missed = cost = 0.0
        for repetition in range(repetitions):
            rng = generator(seed, "exact", "benign", n, k, p, repetition)
            x = torch.randn(n, p, dtype=torch.float64, generator=rng) * eigenvalues.sqrt()
            b = torch.zeros(p, dtype=torch.float64)
            b[:head] = torch.randn(head, dtype=torch.float64, generator=rng)
            b /= b.norm()
            parts = torch.stack(
                [x @ b, math.sqrt(noise) * torch.randn(n, dtype=torch.float64, generator=rng)], 1
            )
            fits = (
                x.T @ torch.linalg.solve(x @ x.T, parts) if p >= n else torch.linalg.lstsq(x, parts).solution
            )
            estimate = fits.sum(1)
            train += (x @ estimate - parts.sum(1)).square().mean().item() / repetitions
            test += ((estimate - b).square() * eigenvalues).sum().item() / repetitions
            left = ((fits[:, 0] - b).square() * eigenvalues).sum() / (b.square() * eigenvalues).sum()
            missed += left.item() / repetitions
            cost += (fits[:, 1].square() * eigenvalues).sum().item() / noise / repetitions
        mean_squares = torch.zeros(p, dtype=torch.float64)
        mean_squares[:head] = 1 / head
        theory = min_norm_risk(eigenvalues, mean_squares, n, noise) / noise
        tail = eigenvalues[k:]
        row = {"n": n, "k": k, "p": p, "train_mse": train, "test_over_noise": 1 + test / noise}
        row |= {"signal_missed": missed, "noise_cost": cost}
        rank = (tail.sum() / tail.max()).item() if len(tail) else 0.0
        rows.append({**row, "theory": theory, "effective_rank": rank})
    return rows


def min_norm_risk(eigenvalues: Tensor, squares: Tensor, n: int, noise: float) -> float:
    """Return the deterministic equivalent of the test MSE of min-norm least squares, inputs N(0, Sigma).

    (sum_i (kappa / (l_i + kappa))^2 l_i b_i^2 + s2) / (1 - D / n), with D = sum_i (l_i / (l_i + kappa))^2 and
    kappa such that sum_i l_i / (l_i + kappa) = n (Hastie et al. 2022, theorem 2; Simon et al. 2023). For p < n,
    kappa = 0 and D = p; infinite at p = n.

    Args:
        eigenvalues: l [p], of Sigma.
        squares: b_i^2 [p], in the eigenbasis.
        n: samples.
        noise: s2.
    """
    p = len(eigenvalues)
    if p <= n:
        return noise / (1 - p / n) if p < n else math.inf

    def excess(log_kappa: float) -> float:
        return (eigenvalues / (eigenvalues + math.exp(log_kappa))).sum().item() - n

    kappa = math.exp(brentq(excess, -60.0, math.log(eigenvalues.sum().item() / n) + 1, xtol=1e-13))
    learned = eigenvalues / (eigenvalues + kappa)
    bias = ((1 - learned).square() * eigenvalues * squares).sum().item()
    return (bias + noise) / (1 - learned.square().sum().item() / n)
