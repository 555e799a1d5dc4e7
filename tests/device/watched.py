"""Runs trained on the CPU and on the pretend device, compared; for a process that has that device."""

import logging
import math
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import lightning as L
import torch
from lightning.pytorch.trainer.states import TrainerStatus
from omegaconf import DictConfig, OmegaConf
from torch.utils.data import DataLoader, TensorDataset

from overparam import machine
from overparam.errors import ConfigError
from overparam.packs.pack import train_pack
from overparam.runs.identity import run_directory
from overparam.runs.metrics import read_metrics
from overparam.runs.provenance import resumed_at
from overparam.runs.summary import Summary
from overparam.training.build import assemble, resolve
from overparam.training.evaluation import COLUMNS, Evaluation
from overparam.training.run import train
from tests.conftest import compose_config
from tests.device import autocast, pretend
from tests.device.pretend import NAME, install, watch

SMALL = (
    *("logger=local", "data.n_train=12", "trainer.max_steps=3", "evaluation.per_decade=1"),
    *("trainer.accelerator=cpu", "cpu_threads=1"),
    "checkpoint_seconds=1e9",
)


@dataclass
class Seen:
    """What a training on the device was like."""

    differences: list[str] = field(default_factory=list)  # from the CPU's results and weights
    waits: Counter[str] = field(default_factory=Counter)  # between evaluations
    evaluation_waits: list[int] = field(default_factory=list)  # within each evaluation
    launches: float = 0.0  # a step, in the longest stretch between two evaluations
    refused: str = ""


def start() -> None:
    """Make the device before this process has differentiated anything, which is when torch starts its threads."""
    install()
    autocast.install()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")


def guarded(function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    """Call a function; what goes wrong becomes an error that another process can be told."""
    try:
        return function(*arguments)
    except Exception:
        raise RuntimeError(traceback.format_exc()) from None


def watched(call: Callable[[], Any]) -> tuple[Any, Seen]:
    """Return what `call`, which trains, returns, and what happened between and within its evaluations."""
    found, write = Seen(), Evaluation._write
    last: list[tuple[int, int]] = []
    longest = 0

    def evaluate(self: Any, trainer: Any, module: Any, again: bool = False) -> Any:
        nonlocal longest
        for step, launches in last:
            if trainer.global_step - step >= max(longest, 1):
                longest = trainer.global_step - step
                found.launches = (device.launches.total() - launches) / longest
        # Before the first evaluation a run, or a pack, is prepared; after the last step its files are.
        if trainer.global_step > 0 and trainer.state.status == TrainerStatus.RUNNING:
            found.waits.update(device.waits)
        device.waits.clear()
        row = write(self, trainer, module, again)
        found.evaluation_waits.append(device.waits.total())
        device.waits.clear()
        last[:] = [(trainer.global_step, device.launches.total())]
        return row

    with watch() as device, patch.object(Evaluation, "_write", evaluate):
        return call(), found


def on_device(cfg: DictConfig, logs: Path) -> DictConfig:
    """Return the config for a run on the device that leaves its files in `logs`."""
    moved = cfg.copy()
    OmegaConf.update(moved, "trainer.accelerator", NAME, force_add=True)
    OmegaConf.update(moved, "trainer.strategy", NAME, force_add=True)
    moved.paths.logs = str(logs)
    return moved


def compare_together(members: Sequence[Sequence[str]], logs: str, alone: bool = False) -> Seen:
    """Train these runs as a pack (or `alone`, one) on the CPU and on the device."""
    return _compare(
        [compose_config(*SMALL, f"paths.logs={logs}/cpu", *member) for member in members], logs, alone
    )


def compare(overrides: Sequence[str], logs: str) -> Seen:
    """Train the run on the CPU and on the device."""
    return compare_together([overrides], logs, alone=True)


def launches(members: Sequence[Sequence[str]], logs: str) -> float:
    """Train these runs on the device, several as a pack, and return how many kernels a step launches."""
    cfgs = [on_device(compose_config(*SMALL, *member), Path(logs)) for member in members]
    results, found = watched(lambda: train_pack(cfgs) if len(cfgs) > 1 else [train(cfgs[0])])
    assert not any(isinstance(result, Exception) for result in results)
    return found.launches


def compare_distilled(logs: str) -> Seen:
    """Train a teacher, and on the CPU and on the device a run that learns from it."""
    teacher = compose_config(*SMALL, f"paths.logs={logs}/teacher")
    train(teacher)
    own = ("module=distillation", f"module.teacher={run_directory(teacher)}", "seed=1", "data.batch_size=5")
    return compare(own, logs)


class Streamed(L.LightningDataModule):
    """Samples that come from a loader, pinned as far as a device wants it."""

    n_train, input_shape, num_outputs, task = 12, (6,), 3, "classification"

    def train_dataloader(self) -> DataLoader[Any]:
        rng = torch.Generator().manual_seed(0)
        x, y = torch.randn(12, 6, generator=rng), torch.randint(3, (12,), generator=rng)
        return DataLoader(TensorDataset(x, y), batch_size=4)

    test_dataloader = train_dataloader


def compare_streamed(logs: str) -> Seen:
    """Train a run on data that stream on the CPU and on the device."""
    cfg = compose_config(*SMALL, f"paths.logs={logs}/cpu")
    cfg.data = OmegaConf.create({"_target_": f"{__name__}.Streamed"})
    return _compare([cfg], logs, alone=True)


def losses(overrides: Sequence[str], logs: str) -> tuple[float, float, Seen]:
    """Train a run on the CPU and on the device, and return the training loss of each, and what the device saw."""
    cfg = compose_config(*SMALL, f"paths.logs={logs}/cpu", *overrides)
    expected = train(cfg)
    result, found = watched(lambda: train(on_device(cfg, Path(logs, "device"))))
    return expected["train_loss"], result["train_loss"], found


def measured(overrides: Sequence[str], logs: str) -> list[dict[str, Any]]:
    """Train a run on the CPU and on the device, and return what measures added to its summary, and its warnings."""
    cfg = compose_config(*SMALL, f"paths.logs={logs}/cpu", *overrides)
    known = {field.name for field in fields(Summary)} - {"warnings"}
    both = [train(cfg), train(on_device(cfg, Path(logs, "device")))]
    return [{key: value for key, value in summary.items() if key not in known} for summary in both]


@contextmanager
def without_float64() -> Iterator[None]:
    """Have the device lack float64, as a Mac's GPU does."""
    with (
        patch.object(machine, "WITHOUT_FLOAT64", {NAME}),
        patch.object(pretend, "refused_types", {torch.float64}),
    ):
        yield


def measured_without_float64(overrides: Sequence[str], logs: str) -> list[dict[str, Any]]:
    """Return what `measured` does, for a device that lacks float64."""
    with without_float64():
        return measured(overrides, logs)


def trained_weights(overrides: Sequence[str], logs: str) -> dict[str, Any]:
    """Train a run on the device and return its weights, as arrays."""
    cfg = on_device(compose_config(*SMALL, *overrides), Path(logs))
    train(cfg)
    found = torch.load(run_directory(cfg) / "weights.pt", weights_only=True)
    return {name: value.numpy() for name, value in found.items()}


def drawn_from(overrides: Sequence[str]) -> list[str]:
    """Return what of the making of a run's parts has drawn from the device's generator, or begun it anew."""
    cfg = compose_config(*SMALL, *overrides)
    generator, found = torch.get_device_module(NAME), []
    before = generator.get_rng_state()
    parts = assemble(cfg)
    for name, make in (("network", parts.build_module), ("data", parts.data.setup)):
        make()
        found += [name] * (not torch.equal(generator.get_rng_state(), before))
    return found


class Killed(BaseException):
    """Ends a process as far as a run can tell."""


def continued(members: Sequence[Sequence[str]], logs: str, killed_at: int) -> list[str]:
    """Train on the device, several runs as a pack, kill it before an evaluation, go on; return what differs then.

    The differences are from what is trained without a kill, and from having been continued at all.
    """
    often = (*SMALL, "checkpoint_seconds=1e-9", "trainer.max_steps=12")
    whole, cut = (
        [on_device(compose_config(*often, *member), Path(logs, folder)) for member in members]
        for folder in ("whole", "cut")
    )
    evaluate = Evaluation._evaluate

    def kill(self: Any, trainer: Any, module: Any) -> None:
        if trainer.global_step == killed_at:
            raise Killed
        evaluate(self, trainer, module)

    def call(cfgs: Sequence[DictConfig]) -> Any:
        return train_pack(cfgs) if len(cfgs) > 1 else [train(cfgs[0])]

    expected = call(whole)
    with patch.object(Evaluation, "_evaluate", kill), suppress(Killed):
        call(cut)
    found = []
    for pair in zip(whole, cut, expected, call(cut), strict=True):
        found += _differences(*pair)
        found += ["it began anew"] * (not resumed_at(run_directory(pair[1])))
    return found


def compare_networks(
    data: str, models: Sequence[str], overrides: Sequence[str], logs: str
) -> dict[str, Seen]:
    """Train these networks on these data on the CPU and on the device."""
    base = compose_config(f"data={data}", *SMALL, "data.batch_size=5", f"paths.logs={logs}/cpu", *overrides)
    found = {}
    for name in models:
        cfg = base.copy()
        cfg.model = _small_model(name)
        try:
            found[name] = _compare([cfg], logs, alone=True)
        except ConfigError as error:
            found[name] = Seen(refused=str(error))
    return found


@cache
def _small_model(name: str) -> DictConfig:
    model = compose_config(f"model={name}").model
    if "width" in model:
        model.width = 2
    return model


def _compare(cfgs: Sequence[DictConfig], logs: str, alone: bool) -> Seen:
    moved = [on_device(cfg, Path(logs, "device")) for cfg in cfgs]
    expected = [train(cfgs[0])] if alone else train_pack(cfgs)
    results, found = watched(lambda: [train(moved[0])] if alone else train_pack(moved))
    for pair in zip(cfgs, moved, expected, results, strict=True):
        found.differences += _differences(*pair)
    return found


def _differences(cfg: DictConfig, moved: DictConfig, expected: Any, result: Any) -> list[str]:
    if isinstance(result, Exception) or isinstance(expected, Exception):
        return [f"{expected!r} on the CPU, {result!r} on the device"]
    of_the_run = ("config", "identity", "wall_seconds", "latency_ms", "throughput", "step_memory_mb")
    found = [
        f"{key}: {expected.get(key)} on the CPU, {result.get(key)} on the device"
        for key in (expected.keys() | result.keys()).difference(of_the_run)
        if not _same(expected.get(key), result.get(key))
    ]
    rows = [
        [row[key] for row in read_metrics(run_directory(resolve(c))) for key in COLUMNS if key in row]
        for c in (cfg, moved)
    ]
    found += ["metrics.csv"] * (not all(map(_same, *rows)) or len(rows[0]) != len(rows[1]))
    ours, theirs = (
        torch.load(run_directory(resolve(c)) / "weights.pt", weights_only=True) for c in (cfg, moved)
    )
    return found + [key for key, value in ours.items() if not torch.equal(value, theirs[key])]


def _same(a: Any, b: Any) -> bool:
    return a == b or (isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b))
