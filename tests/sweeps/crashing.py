"""A network that ends its run in a chosen way, or leaves the run alone."""

import ctypes
import os
import signal
import sys
from typing import Any

import torch

from overparam.models.mlp import MLP


class CrashingMLP(MLP):
    def __init__(self, *arguments: Any, how: str = "", **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.how = how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = super().forward(x)
        if not self.training:
            return out
        match self.how:
            case "raise":
                raise ValueError("a bug in the network")
            case "diverge":
                return out * torch.inf
            case "sys_exit":
                sys.exit(4)
            case "os_exit":
                os._exit(3)
            case "segfault":
                ctypes.string_at(0)
            case "out_of_memory":
                os.kill(os.getpid(), signal.SIGKILL)  # what the kernel's OOM killer does
        return out
