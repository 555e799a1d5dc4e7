"""A network whose training takes a set time, without any work: `SECONDS` a step, outside of the config."""

import os
import time

import torch

from overparam.models.mlp import MLP

SECONDS = "SLOW_SECONDS"  # environment variable


class SlowMLP(MLP):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            time.sleep(float(os.environ.get(SECONDS, "0")))
        return super().forward(x)
