"""A lab of its own: a folder with its configs, one file of code and a `.env`, and nothing of this repository."""

from pathlib import Path

NETWORK = """\
import math
import os

from torch import nn


class Net(nn.Sequential):
    def __init__(self, input_shape, num_outputs, width):
        assert os.environ["MINE"] == "from .env"
        inputs = math.prod(input_shape)
        super().__init__(nn.Flatten(), nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, num_outputs))
"""

MODEL = """\
_target_: mine.Net
width: 2
"""

EXPERIMENT = """\
# @package _global_
defaults:
  - override /model: mine
  - override /logger: local

name: mine
data:
  n_train: 60
trainer:
  max_steps: 4
  accelerator: cpu
hydra:
  sweeper:
    params:
      model.width: 2,3
"""


def write_lab(folder: Path) -> Path:
    """Write the lab to `folder` and return it."""
    files = {
        "mine.py": NETWORK,
        ".env": "MINE='from .env'\n",
        "configs/model/mine.yaml": MODEL,
        "configs/experiment/mine.yaml": EXPERIMENT,
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
