"""Neural collapse: the last hidden features shrink to their class means, and these to a simplex."""

import torch

from overparam.measures.rank import readout_inputs
from overparam.measures.subject import Subject
from overparam.ranges import PositiveInt


def neural_collapse(subject: Subject, samples: PositiveInt = 1200) -> dict[str, float]:
    """Measure how far the features of the training set have collapsed (Papyan, Han & Donoho 2020, NC1 and NC2).

    Features h are the inputs [n, m] of the readout (the last linear layer), mu_c their mean over the class that the run
    trains on, mu the mean of the K means that there are.

    - `within_over_between`: tr(S_W S_B^+) / K, S_W the mean over samples of (h - mu_c)(h - mu_c)^T, S_B that over
      classes of (mu_c - mu)(mu_c - mu)^T: 0 where every sample is its class mean.
    - `simplex_distance`: mean over pairs of classes of |cos(mu_c - mu, mu_c' - mu) + 1 / (K - 1)|: 0 for a simplex.

    NaN for regression. Costs a forward pass over `samples` samples and an SVD of [K, m].

    Args:
        subject: what is measured.
        samples: how many training samples the features are taken of.
    """
    y = subject.train.y[:samples]
    if y.is_floating_point():
        return dict.fromkeys(("within_over_between", "simplex_distance"), float("nan"))
    features = readout_inputs(subject.net, subject.inputs(subject.train, samples)).double()
    classes, member = y.unique(return_inverse=True)
    count = len(classes)
    means = torch.stack([features[member == index].mean(0) for index in range(count)])
    within, between = features - means[member], means - means.mean(0)
    # The K centered means span K - 1 directions; with S_B = V diag(s^2 / K) V^T there the trace is a sum over these.
    _, s, directions = torch.linalg.svd(between, full_matrices=False)
    spread = (within @ directions[: count - 1].T).square().mean(0)
    units = torch.nn.functional.normalize(between, dim=1)
    pairs = (units @ units.T)[torch.triu(torch.ones(count, count, dtype=torch.bool, device=units.device), 1)]
    return {
        "within_over_between": (spread / s[: count - 1].square()).sum().item(),
        "simplex_distance": (pairs + 1 / (count - 1)).abs().mean().item() if count > 1 else float("nan"),
    }
