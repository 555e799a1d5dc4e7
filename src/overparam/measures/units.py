"""Dead and active ReLU units."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from overparam.measures.subject import Subject
from overparam.ranges import PositiveInt

RELUS = (F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_)


def units(subject: Subject, samples: PositiveInt = 1200) -> dict[str, float]:
    """Measure the use of ReLU units over the training set; a channel of a feature map is one unit.

    - `dead_units`: share of units that are zero for every sample (and position).
    - `active_share`: mean share of non-zero activations, 1 minus the activation sparsity (Li et al. 2023).
    - `used_units`: number of units that are active for at least 1% of the samples; counted, not a share.

    NaN for networks without ReLU. Costs one forward pass over `samples` samples.

    Args:
        subject: what is measured.
        samples: how many training samples are looked at.
    """
    activity = unit_activity(subject.net, subject.inputs(subject.train, samples))
    if not activity:
        return dict.fromkeys(("dead_units", "active_share", "used_units"), float("nan"))
    shares = torch.cat([layer.flatten(2).any(2).double().mean(0) for layer in activity])
    values = torch.cat([layer.flatten(1).double().mean(0) for layer in activity])
    return {
        "dead_units": (shares == 0).double().mean().item(),
        "active_share": values.mean().item(),
        "used_units": float((shares >= 0.01).sum()),
    }


@torch.no_grad()
def unit_activity(net: nn.Module, x: Tensor) -> list[Tensor]:
    """Return, for each ReLU in order of use, where its output is positive: bool [N, units, *positions]."""
    with _Recorder() as recorder:
        net(x)
    return [output if output.ndim > 2 else output[:, :, None] for output in recorder.positive]


class _Recorder(TorchFunctionMode):
    """Sees every ReLU, also those a network calls as functions, where module hooks see none."""

    def __init__(self) -> None:
        super().__init__()
        self.positive: list[Tensor] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        if func in RELUS:
            self.positive.append(output > 0)
        return output
