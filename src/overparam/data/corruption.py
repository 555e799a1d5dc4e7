"""Training subsets and label noise, on random streams of their own.

The trap that this file avoids: a subset and a noise draw that share a permutation turn a nominal 20% of wrong
labels into 90% inside a 20% subset. Here every pool sample has a place in one subset order and, from two
other streams, a noise level u and an alternative label. A run takes the first n places, and the alternative
label wherever u < p, so

* subsets are nested in n, noisy sets are nested in p, and neither depends on the other;
* a sample keeps its noisy label in every subset it belongs to;
* each sample is noisy with probability p independently, inside every subset chosen without looking at u.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from overparam.randomness import generator

NoiseKind = Literal["flip", "uniform", "pair", "class_dependent"]


def subset_order(pool_size: int, seed: int) -> Tensor:
    """Return the order [pool_size] in which pool samples enter the training set (stream "subset")."""
    return torch.randperm(pool_size, generator=generator(seed, "subset"))


def noisy_labels(
    labels: Tensor,
    num_classes: int,
    rate: float,
    seed: int,
    kind: NoiseKind = "flip",
    matrix: Sequence[Sequence[float]] | None = None,
) -> tuple[Tensor, Tensor]:
    """Corrupt each label of the whole pool independently with probability `rate`.

    What a corrupted label of class y becomes, and so the rate of wrong labels:

    * "flip": one of the K-1 other classes; p are wrong (Nakkiran et al. 2019).
    * "uniform": one of all K classes; p (K-1)/K are wrong (Zhang et al. 2017).
    * "pair": class y+1, and class 0 after the last; p are wrong (Han et al. 2018).
    * "class_dependent": class j with probability `matrix[y][j]` (asymmetric noise, Patrini et al. 2017); of
      class y, p (1 - matrix[y][y]) are wrong.

    Args:
        labels: true classes [pool_size], int64.
        num_classes: K.
        rate: p in [0, 1]; "uniform" with 1 makes all labels random.
        seed: root of the streams "label_noise/level" (which) and "label_noise/target" (to what).
        kind: see above.
        matrix: K rows of K probabilities, for "class_dependent"; None is `ramp`.

    Returns:
        The labels to train on [pool_size], and a mask [pool_size] that is True where they are wrong.
    """
    level = torch.rand(len(labels), dtype=torch.float64, generator=generator(seed, "label_noise", "level"))
    targets = generator(seed, "label_noise", "target")
    if kind == "flip":
        shift = torch.randint(1, num_classes, (len(labels),), generator=targets)
        alternative = (labels + shift) % num_classes
    elif kind == "uniform":
        alternative = torch.randint(0, num_classes, (len(labels),), generator=targets)
    elif kind == "pair":
        alternative = (labels + 1) % num_classes
    else:
        quantile = torch.rand(len(labels), 1, dtype=torch.float64, generator=targets)
        rows = torch.tensor(matrix or ramp(num_classes), dtype=torch.float64).cumsum(1)[labels]
        # Rounding may leave the last sum a little short of 1.
        alternative = torch.searchsorted(rows, quantile, right=True).squeeze(1).clamp_max(num_classes - 1)
    corrupted = torch.where(level < rate, alternative, labels)
    return corrupted, corrupted != labels


def ramp(num_classes: int) -> list[list[float]]:
    """Return the noise matrix whose wrong labels grow from none in the first class to all in the last.

    A corrupted label of class y becomes each of the K-1 others with probability y / (K-1)², or else stays.
    """
    others = num_classes - 1
    return [
        [1 - y / others if j == y else y / others**2 for j in range(num_classes)] for y in range(num_classes)
    ]


def check_noise_matrix(matrix: Sequence[Sequence[float]], num_classes: int) -> None:
    """Raise ValueError unless `matrix` is K rows of K probabilities that sum to 1."""
    square = len(matrix) == num_classes and all(len(row) == num_classes for row in matrix)
    if not square or any(min(row) < 0 or abs(sum(row) - 1) > 1e-6 for row in matrix):
        raise ValueError(
            f"data.noise_matrix must be {num_classes} rows of {num_classes} probabilities that sum to 1; "
            "row y holds what a corrupted label of class y becomes"
        )


def noisy_targets(targets: Tensor, std: float, seed: int) -> Tensor:
    """Return regression targets [pool_size, K] plus N(0, std²) noise, one draw scaled by every `std`."""
    noise = torch.randn(targets.shape, dtype=torch.float64, generator=generator(seed, "label_noise", "level"))
    return targets + (std * noise).to(targets.dtype)
