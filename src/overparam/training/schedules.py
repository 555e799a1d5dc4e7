"""Learning-rate schedules, counted in steps, that torch does not have."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from overparam.ranges import PositiveInt


def inverse_sqrt(optimizer: Optimizer, period: PositiveInt) -> LambdaLR:
    """Return lr / sqrt(1 + floor(step / period)) (Nakkiran et al. 2019, appendix B: period 512)."""
    if period < 1:
        raise ValueError(f"scheduler.period must be a positive number of steps, got {period}")
    return LambdaLR(optimizer, lambda step: 1 / math.sqrt(1 + step // period))
