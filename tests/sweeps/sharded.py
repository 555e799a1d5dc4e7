"""A network that writes down how much of itself a process holds."""

import os
from pathlib import Path
from typing import Any

import torch
from torch.distributed.tensor import DTensor

from overparam.models.mlp import MLP

FOLDER = "SHARDED_FOLDER"  # environment variable: where


class ShardedMLP(MLP):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        held: Any = [p.to_local() if isinstance(p, DTensor) else p for p in self.layers.parameters()]
        path = Path(os.environ[FOLDER]) / str(os.getpid())
        beside = path.with_name(f".{path.name}")
        beside.write_text(f"{sum(p.numel() for p in held)} {sum(p.numel() for p in self.parameters())}")
        beside.replace(path)  # complete whenever the process is killed
        return super().forward(x)
