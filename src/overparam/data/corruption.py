"""Training subsets and label noise, on random streams of their own.

The trap that this file avoids: a subset and a noise draw that share a permutation turn a nominal 20% of wrong
labels into 90% inside a 20% subset. Here every pool sample has a place in one subset order and, from two
other streams, a noise level u and an alternative label. A run takes the first n places, and the alternative
label wherever u < p, so

* subsets are nested in n, noisy sets are nested in p, and neither depends on the other;
* a sample keeps its noisy label in every subset it belongs to;
* each sample is noisy with probability p independently, inside every subset chosen without looking at u.
"""

from typing import Literal

import torch
from torch import Tensor

from overparam.randomness import generator

NoiseKind = Literal["flip", "uniform"]


def subset_order(pool_size: int, seed: int) -> Tensor:
    """Return the order [pool_size] in which pool samples enter the training set (stream "subset")."""
    return torch.randperm(pool_size, generator=generator(seed, "subset"))


def noisy_labels(
    labels: Tensor, num_classes: int, rate: float, seed: int, kind: NoiseKind = "flip"
) -> tuple[Tensor, Tensor]:
    """Corrupt each label of the whole pool independently with probability `rate`.

    Args:
        labels: true classes [pool_size], int64.
        num_classes: K.
        rate: p in [0, 1).
        seed: root of the streams "label_noise/level" (which) and "label_noise/target" (to what).
        kind: "flip" draws among the K-1 other classes, so p is the wrong-label rate (Nakkiran et al. 2019);
            "uniform" draws among all K, so the wrong-label rate is p (K-1)/K (Zhang et al. 2017).

    Returns:
        The labels to train on [pool_size], and a mask [pool_size] that is True where they are wrong.
    """
    level = torch.rand(len(labels), dtype=torch.float64, generator=generator(seed, "label_noise", "level"))
    targets = generator(seed, "label_noise", "target")
    if kind == "flip":
        shift = torch.randint(1, num_classes, (len(labels),), generator=targets)
        alternative = (labels + shift) % num_classes
    else:
        alternative = torch.randint(0, num_classes, (len(labels),), generator=targets)
    corrupted = torch.where(level < rate, alternative, labels)
    return corrupted, corrupted != labels


def noisy_targets(targets: Tensor, std: float, seed: int) -> Tensor:
    """Return regression targets [pool_size, K] plus N(0, std²) noise, one draw scaled by every `std`."""
    noise = torch.randn(targets.shape, dtype=torch.float64, generator=generator(seed, "label_noise", "level"))
    return targets + (std * noise).to(targets.dtype)
