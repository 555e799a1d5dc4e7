"""A lab of one's own: a folder with files and YAMLs, and no edit to the template."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from textwrap import dedent
from typing import Any

import polars as pl
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from overparam.loggers.metrics_table import read_metrics
from overparam.training.run import train
from tests.command_line import Command
from tests.conftest import CONFIGS, read_json

FEW = ("data.n_train=60", "trainer.max_steps=40")  # for the lab's own data


@dataclass(frozen=True)
class Run:
    """What a finished run left in its directory."""

    directory: Path

    @cached_property
    def summary(self) -> dict[str, Any]:
        return read_json(self.directory / "summary.json")

    @cached_property
    def rows(self) -> list[dict[str, float]]:
        """What the evaluations found."""
        return [row for row in read_metrics(self.directory) if "train_loss" in row]

    @cached_property
    def config(self) -> Any:
        return OmegaConf.load(self.directory / "config.yaml")

    @cached_property
    def weights(self) -> dict[str, Tensor]:
        return torch.load(self.directory / "weights.pt", weights_only=True)

    def knows(self, key: str, value: Any) -> bool:
        """Whether the run's identity holds this value."""
        return self.summary["config"].get(key) == value

    def same_bits(self, other: "Run") -> bool:
        names = ("metrics.csv", "weights.pt")
        return all(
            (self.directory / name).read_bytes() == (other.directory / name).read_bytes() for name in names
        )

    def in_wandb(self, key: str) -> bool:
        """Whether W&B's offline file has a number of this name: names stand there behind their length."""
        (file,) = self.directory.glob("wandb/offline-run-*/*.wandb")
        return bytes([len(key)]) + key.encode() in file.read_bytes()


class Lab:
    """A folder with a lab's own files; its YAMLs are in `configs`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))

    def start(self, script: str, *arguments: str) -> Command:
        wide = {**os.environ, "COLUMNS": "200"}
        return Command(script, *arguments, cwd=self.folder, env=wide, stderr=subprocess.STDOUT)

    def command(self, script: str, *arguments: str) -> str:
        """Run a script of the template from the lab's folder, and return what it says."""
        process = self.start(script, *arguments)
        output, _ = process.communicate()
        assert process.returncode == 0, output
        return output

    def sweep(self, *overrides: str, name: str = "sweep") -> tuple[list[Run], str]:
        """Train a sweep by the command line; return its runs in the order of their names, and what was said."""
        cpu = ("trainer.accelerator=cpu", "logger=local", f"name={name}")
        output = self.command("train.py", "--config-dir", "configs", "-m", *cpu, *overrides)
        return self.runs(name), output

    def runs(self, name: str) -> list[Run]:
        return [Run(path.parent) for path in sorted((self.folder / "logs" / name).glob("*/summary.json"))]

    def reported(self, name: str = "sweep") -> pl.DataFrame:
        """The table that the sweep's report is made from, a row a run."""
        return pl.read_parquet(self.folder / "logs" / name / "report" / "runs.parquet")

    def compose(self, *overrides: str) -> DictConfig:
        own = f"hydra.searchpath=[file://{self.folder / 'configs'}]"
        cpu = ("trainer.accelerator=cpu", "logger=local", "name=here")
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            return compose("train", [own, *cpu, *overrides])

    def train(self, *overrides: str) -> Run:
        """Train one run in this process, which takes a tenth of the command line's time."""
        identity = train(self.compose(*overrides))["identity"]
        return Run(self.folder / "logs" / "here" / identity)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield Lab(tmp_path)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
