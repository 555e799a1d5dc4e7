"""The Zipf memory model of scaling laws: its loss by counting, and its exponents in closed form."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import gamma, zeta

from overparam.randomness import derive_seed
from overparam.ranges import PositiveFloat, PositiveInt, Share


def closed_form(alpha: float, sizes: np.ndarray, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the two leading terms of the model's loss: for want of memory, A / P^a, and of samples, B / n^b.

    With p_i = c i^-k, k = 1 + alpha, c = 1 / zeta(k) (Hutter 2021, arXiv:2102.04074, section 3, and Cabannes et al.
    2023, arXiv:2310.02984, theorem 1): the mass of the items beyond the P-th is c / alpha P^-alpha, and that of the
    items that n samples leave unseen, the sum of p_i (1 - p_i)^n, is c^(1/k) / k Gamma(1 - 1/k) n^-(1 - 1/k). So
    a = alpha and b = alpha / (1 + alpha). Both are limits of large P and n.

    Args:
        alpha: of the distribution of the items.
        sizes: P.
        samples: n.
    """
    k = 1 + alpha
    c = 1 / zeta(k)
    return c / alpha * sizes**-alpha, c ** (1 / k) / k * gamma(1 - 1 / k) * samples ** -(1 - 1 / k)


def memory_model(
    seed: int,
    sizes: Sequence[PositiveInt],
    samples: Sequence[PositiveInt],
    held_out: tuple[PositiveInt, PositiveInt],
    alphas: Sequence[PositiveFloat] = (1.0,),
    floor: Share = 0.0,
    repetitions: PositiveInt = 1,
) -> list[dict[str, Any]]:
    """Train memories of P items on n samples of Zipf distributions, and return their exact losses.

    Item i is drawn with probability i^-(1 + alpha) / zeta(1 + alpha), i = 1, 2, ... without end. A memory keeps the P
    items that its samples hold most often, of as many the one seen first, and errs on all others: nothing is learned of
    one item from another. Samples are nested in n.

    Args:
        seed: of the samples.
        sizes: P, how many items a memory may keep.
        samples: n.
        held_out: another P and n, beside the grid of these.
        alphas: the tails of the distributions.
        floor: error on what is remembered, the irreducible loss.
        repetitions: draws that a loss of the grid is the mean of.

    Returns:
        A row for each alpha, P and n, with `sweep` ("grid" or "held out"), `alpha`, `params` (P), `n_train`, `loss`,
        and `theory`, the floor plus the two terms of `closed_form`.
    """
    p, n = held_out
    rows = []
    for alpha in alphas:
        rng = np.random.default_rng(derive_seed(seed, "zipf", str(alpha)))
        parts = (("grid", sizes, samples, repetitions), ("held out", [p], [n], 1))
        for sweep, some_sizes, some_samples, count in parts:
            draws = [rng.zipf(1 + alpha, max(some_samples)).astype(np.float64) for _ in range(count)]
            for drawn in some_samples:
                missed = np.mean([_missed(draw[:drawn], alpha, some_sizes) for draw in draws], axis=0)
                theory = np.add(*closed_form(alpha, np.array(some_sizes), np.array(drawn)))
                rows += [
                    {
                        **{"sweep": sweep, "alpha": alpha, "params": size, "n_train": drawn},
                        **{"loss": floor + (1 - floor) * mass, "theory": floor + (1 - floor) * terms},
                    }
                    for size, mass, terms in zip(some_sizes, missed.tolist(), theory.tolist(), strict=True)
                ]
    return rows


def _missed(drawn: np.ndarray, alpha: float, sizes: Sequence[int]) -> list[float]:
    """Return the mass that memories of these sizes do not keep of the items `drawn` [n]."""
    items, first, counts = np.unique(drawn, return_index=True, return_counts=True)
    ranked = items[np.lexsort((first, -counts))]
    mass = np.concatenate([[0.0], np.cumsum(ranked ** -(1 + alpha)) / zeta(1 + alpha)])
    return [1 - float(mass[min(size, len(items))]) for size in sizes]
