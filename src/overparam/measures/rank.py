"""Effective and stable rank of weights and of the last hidden layer's features."""

import torch
from torch import Tensor, nn

from overparam.measures.subject import Subject
from overparam.ranges import PositiveInt


def ranks(subject: Subject, samples: PositiveInt = 1200) -> dict[str, float]:
    """Measure how many directions a network uses.

    - `feature_effective_rank`, `feature_stable_rank`: of the inputs [n, m] of the readout (the last linear
      layer) over the training set, after centering; at most m.
    - `feature_rank_share`: the effective rank over the number m of features.
    - `weight_stable_rank`: mean stable rank of the weight matrices, kernels reshaped to [out, in * size].

    Costs a forward pass over `samples` samples and one SVD of [n, m] and of every weight matrix.

    Args:
        subject: what is measured.
        samples: how many training samples the features are taken of.
    """
    features = readout_inputs(subject.net, subject.inputs(subject.train, samples)).double()
    values = torch.linalg.svdvals(features - features.mean(0))
    weights = [p.detach().flatten(1).double() for p in subject.net.parameters() if p.ndim > 1]
    stable = [stable_rank(torch.linalg.svdvals(w)) for w in weights]
    effective = effective_rank(values)
    return {
        "feature_effective_rank": effective,
        "feature_stable_rank": stable_rank(values),
        "feature_rank_share": effective / features.shape[1],
        "weight_stable_rank": sum(stable) / len(stable),
    }


def effective_rank(singular_values: Tensor) -> float:
    """Return exp of the entropy of s_i / sum(s) (Roy & Vetterli 2007): r for r equal values."""
    share = singular_values / singular_values.sum()
    return torch.special.entr(share).sum().exp().item()


def stable_rank(singular_values: Tensor) -> float:
    """Return sum(s_i^2) / max(s_i^2), squared Frobenius over spectral norm (Rudelson & Vershynin 2007)."""
    return (singular_values.square().sum() / singular_values.max().square()).item()


@torch.no_grad()
def readout_inputs(net: nn.Module, x: Tensor) -> Tensor:
    """Return what the last linear layer is given, [N, m]."""
    last = [module for module in net.modules() if isinstance(module, nn.Linear)][-1]
    caught: list[Tensor] = []
    handle = last.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    try:
        net(x)
    finally:
        handle.remove()
    return caught[-1]
