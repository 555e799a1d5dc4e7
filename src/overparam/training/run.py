"""One run, top to bottom; and several as one, which is the same with more members."""

import logging
import math
import signal
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import lightning as L
import torch
from filelock import Timeout
from lightning.pytorch.callbacks import Timer
from omegaconf import DictConfig, OmegaConf
from torch import nn
from torch.distributed.tensor import DTensor

from overparam import compat
from overparam.allocator import keep_freed_memory
from overparam.errors import ConfigError, Terminated, one_line
from overparam.loggers.metrics_table import MetricsTable
from overparam.randomness import derive_seed
from overparam.runs.choices import CHOICES
from overparam.runs.code import finished_summary
from overparam.runs.continued import STATE
from overparam.runs.damage import CONFIG
from overparam.runs.identity import flat_values
from overparam.runs.metrics import read_metrics
from overparam.runs.provenance import write_provenance
from overparam.runs.secrets import without_secrets
from overparam.runs.state import (
    CHECKPOINT,
    FAILURE,
    AlreadyRunning,
    RunFailed,
    describe,
    lock,
    record_failure,
    set_failure_aside,
)
from overparam.runs.summary import WEIGHTS, Summary, read_summary, whole, write_summary
from overparam.training.build import (
    Parts,
    assemble,
    build_evaluation,
    build_trainer,
    located,
    network_of,
    nodes,
    resolve,
)
from overparam.training.checkpoint import TimedCheckpoint
from overparam.training.continued import begin
from overparam.training.evaluation import COLUMNS, Followed
from overparam.training.fused import may_fuse
from overparam.training.loggers import log_for_agent, open_logger
from overparam.training.measuring import RunMeasures
from overparam.training.progress import RunProgress, SaysHowFar, finished_line
from overparam.training.resume import start_step

log = logging.getLogger(__name__)


class Clock(Timer):
    """Lightning's timer under a name of its own, beside the one that `trainer.max_time` makes."""


@dataclass
class Member(Followed):
    """A run that is being trained, alone or in a pack."""

    cfg: DictConfig = field(kw_only=True)
    run_dir: Path = field(kw_only=True)
    parts: Parts = field(kw_only=True)
    step: int = field(default=0, kw_only=True)  # where it continues
    pack: str | None = field(default=None, kw_only=True)  # the name of the pack it is trained in
    warnings: list[str] = field(default_factory=list)  # what should not be taken for a finding


class Together(Protocol):
    """What is trained at once: one run, or the members of a pack."""

    module: Any  # a LightningModule
    datamodule: Any  # a LightningDataModule
    data: Any  # has the `splits` that are evaluated
    callbacks: list[L.Callback]
    measures: RunMeasures | None
    plugins: list[Any]  # for the Trainer

    def prepare(self, trainer: L.Trainer) -> None:
        """Settle what depends on the Trainer, before it starts."""
        ...

    def weights(self, member: int) -> dict[str, Any]:
        """Return the final weights of a member; all processes must call it."""
        ...


def train(cfg: DictConfig, show: Sequence[tuple[str, str]] | None = None) -> dict[str, Any]:
    """Train the run that `cfg` describes, or what is left of it, and return its summary.

    A finished run is returned as it stands, a killed one continues from its checkpoint with the numbers it
    would have had. A run that fails leaves `failure.json` in its directory.

    Args:
        cfg: the composed config.
        show: if not None, the terminal is told what is trained and how far it is; of the config these pairs of a
            section and a text.

    Raises:
        ConfigError: before anything is written, if the run could not be trained as asked.
        AlreadyRunning: if another process is training the run.
    """
    cfg = located(resolve(cfg))
    run_dir = Path(cfg.paths.run)
    parts = assemble(cfg)
    if (finished := finished_summary(run_dir, cfg.get("retrain", False))) is not None:
        log_for_agent(cfg, finished)
        return finished
    parts.require_data()
    trainer = build_trainer(cfg, parts.data, logger=False)  # what Lightning refuses, it refuses here
    parts.check_processes(trainer, cfg.trainer.get("sync_batchnorm", False))
    run_dir.mkdir(parents=True, exist_ok=True)
    member = Member(cfg=cfg, run_dir=run_dir, parts=parts)
    if not compat.is_first_process():
        _train_alone(member, show=None)
        return read_summary(run_dir) or {}
    try:
        with lock(run_dir):
            if (finished := read_summary(run_dir)) is not None:  # by another process, since we looked
                log_for_agent(cfg, finished)
                return finished
            try:
                with interruptible():
                    return _train_alone(member, show)
            except Exception as error:
                record_failure(run_dir, describe(error), traceback.format_exc())
                traceback.clear_frames(error.__traceback__)  # they hold the network, and a sweep goes on
                raise
    except Timeout as error:
        raise AlreadyRunning(f"{run_dir} is being trained by another process") from error


@contextmanager
def interruptible() -> Iterator[None]:
    """Tell the ways apart in which training ends the process: Ctrl-C, SIGTERM, and an exit of its own, a failure.

    Lightning answers Ctrl-C with an exit, and SIGTERM with one of code 0.
    """
    try:
        yield
    except Terminated:
        raise
    except compat.SIGTERMException:
        raise Terminated from None
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.default_int_handler)
            raise KeyboardInterrupt from None
        raise RunFailed(f"it ended itself, sys.exit({error.code})") from error


class Alone:
    """One run, as `Together`."""

    plugins: tuple[Any, ...] = ()

    def __init__(self, member: Member) -> None:
        parts, cfg = member.parts, member.cfg
        self.cfg, self.module = cfg, parts.build_module()
        self.data: Any = parts.data
        self.datamodule: Any = getattr(parts.data, "datamodule", parts.data)
        self.callbacks = parts.build_callbacks()
        self.measures = RunMeasures(parts, cfg, member.warnings) if any(parts.measures.values()) else None

    def prepare(self, trainer: L.Trainer) -> None:
        """Fuse steps where nobody can see it."""
        if may_fuse(self.cfg, self.module, self.data, self.callbacks, trainer):
            self.module.automatic_optimization, self.data.fused = False, True

    def weights(self, member: int) -> dict[str, Any]:
        """Return the network's weights, gathered from all processes if they are sharded."""
        return whole_weights(network_of(self.module))


def _train_alone(member: Member, show: Sequence[tuple[str, str]] | None) -> dict[str, Any]:
    member.step = start_step(member.run_dir, member.cfg)
    if not member.step:
        member.step = begin(member.cfg, member.run_dir, compat.is_first_process())
    alone = Alone(member)
    torch.set_num_threads(member.cfg.cpu_threads or 1)
    torch.manual_seed(derive_seed(member.cfg.seed, "dropout"))
    (result,) = train_together([member], alone, show)
    if isinstance(result, Exception):
        raise result
    if show is not None:
        log.info(finished_line(member.run_dir.name, result))
    return result


def train_together(
    members: Sequence[Member], together: Together | Alone, show: Sequence[tuple[str, str]] | None = None
) -> list[dict[str, Any] | Exception]:
    """Train runs at once, from the step that all have reached, and return the summary or the error of each.

    Of members that only keep a place nothing is written or returned.

    Args:
        members: the runs, locked by the caller.
        together: what trains them.
        show: see `train`.
    """
    active = [member for member in members if not member.only_keeps_place]
    first = active[0]
    is_alone = isinstance(together, Alone)
    torch.set_num_threads(first.cfg.cpu_threads or 1)
    keep_freed_memory()
    if compat.is_first_process():
        for member in active:
            open_run(member)
    clock = Clock()
    evaluation = build_evaluation(first.cfg).follow(
        together.data,
        first.parts.loss,
        members,
        together.measures.at_evaluation if together.measures else None,
    )
    checkpoint = first.run_dir / CHECKPOINT
    keep = TimedCheckpoint(
        checkpoint if is_alone else checkpoint.with_name(".pack"),
        first.cfg.checkpoint_seconds,
        [member.run_dir for member in active],
        first.run_dir / STATE if is_alone and first.cfg.get("keep_state") else None,
    )
    callbacks: list[L.Callback] = [clock, *together.callbacks, evaluation, keep]
    if show is not None and not first.cfg.trainer.get("enable_progress_bar"):
        size = first.parts.params, first.parts.data.n_train
        callbacks.insert(-1, RunProgress(first.run_dir.name, show, *size))
    if compat.is_first_process():
        callbacks.insert(-1, SaysHowFar([(member.run_dir, member.loggers[0]) for member in active]))
    trainer = build_trainer(
        first.cfg,
        first.parts.data,
        callbacks=callbacks,
        logger=first.loggers if is_alone else False,
        plugins=list(together.plugins),
        default_root_dir=first.run_dir,
    )
    together.prepare(trainer)
    if compat.is_first_process():
        for member in active:
            device = str(trainer.strategy.root_device)
            write_provenance(member.run_dir, member.cfg, device, continues=member.step > 0)
    start = checkpoint if first.step else None
    if is_alone and first.step and not checkpoint.exists():
        start = Path(first.cfg.continue_from.state)
    try:
        trainer.fit(together.module, datamodule=together.datamodule, ckpt_path=start, weights_only=True)
    except Exception as error:
        if compat.is_refused_by_lightning(error):
            raise ConfigError(one_line(error)) from error
        raise
    if together.callbacks or together.measures:
        together.module.to(trainer.strategy.root_device)  # the Trainer has left a GPU, and the data have not
    evaluation.finish(trainer, together.module, is_changed=bool(together.callbacks))
    seconds = clock.time_elapsed("train") / len(members)  # a member's share
    results: list[dict[str, Any] | Exception] = []
    for position, member in enumerate(members):
        if member.only_keeps_place:
            continue
        weights = together.weights(position)
        if compat.is_first_process():
            results.append(_close(member, together, weights, trainer.global_step, seconds))
    trainer.strategy.barrier()
    return results or [read_summary(member.run_dir) or {} for member in active]


def _close(
    member: Member, together: Together | Alone, weights: dict[str, Any], step: int, seconds: float
) -> dict[str, Any] | Exception:
    """Write what a trained run leaves behind; of one that cannot be finished, why."""
    try:
        if member.diverged is not None:
            raise member.diverged
        torch.save(weights, member.run_dir / WEIGHTS)
        if together.measures is not None:
            row = together.measures.at_end(together.module, step)
            for logger in member.loggers if row else ():
                logger.log_metrics(row, step=step)
        return close_run(member, seconds)
    except Exception as error:
        fail_loggers(member)
        return error


def open_run(member: Member) -> None:
    """Write the run's config, and open its loggers: the metrics table, and those of the config."""
    cfg, run_dir = member.cfg, member.run_dir
    settings: Any = without_secrets(OmegaConf.to_container(cfg, resolve=True))
    set_failure_aside(run_dir)
    with whole(run_dir / CONFIG) as file:
        file.write_text(OmegaConf.to_yaml(OmegaConf.create(settings)), "utf-8")
    member.loggers = [MetricsTable(run_dir, member.step)]
    member.loggers += [
        open_logger(cfg, settings, name, node, member.step) for name, node in nodes(cfg, "logger").items()
    ]


def fail_loggers(member: Member) -> None:
    """Tell a run's loggers what Lightning tells them when a run alone fails."""
    for logger in member.loggers[1:]:
        logger.finalize("failed")


def whole_weights(net: nn.Module) -> dict[str, Any]:
    """Return the network's weights, gathered from all processes if they are sharded; all must call it."""
    weights = net.state_dict().items()
    return {k: (v.full_tensor() if isinstance(v, DTensor) else v).cpu() for k, v in weights}


def close_run(member: Member, wall_seconds: float) -> dict[str, Any]:
    """Close the loggers, write `summary.json`, which marks the run finished, and return its content."""
    run_dir = member.run_dir
    summary = summarize(member, wall_seconds)
    for logger in member.loggers[1:]:
        if hasattr(logger, "end"):
            logger.end(summary, run_dir / WEIGHTS)
        else:
            logger.save()
            logger.finalize("success")
    written = write_summary(run_dir, summary)
    (run_dir / CHECKPOINT).unlink(missing_ok=True)
    (run_dir / FAILURE).unlink(missing_ok=True)
    return written


def summarize(member: Member, wall_seconds: float) -> Summary:
    """Return the summary of a run from its metrics table, its data and its size."""
    cfg, run_dir, parts = member.cfg, member.run_dir, member.parts
    plain: Any = OmegaConf.to_container(cfg)
    data, splits = parts.data, parts.data.splits()
    table = read_metrics(run_dir)
    rows = [row for row in table if "test_error" in row]
    last, best = rows[-1], min(rows, key=lambda row: row["test_error"])
    tolerance = 0.0 if data.task == "classification" else 1e-3 * splits["train"].variance()
    fitted = [row["step"] for row in rows if row["train_error"] <= tolerance]
    warnings = list(member.warnings)
    if data.task == "classification" and hasattr(splits["test"], "__len__"):
        chance = 1 - 1 / data.num_outputs
        margin = 3 * math.sqrt(chance * (1 - chance) / len(splits["test"]))
        if last["test_error"] > chance + margin:
            warnings.append(f"test error {last['test_error']:.3f} is worse than chance ({chance:.3f})")
    for warning in warnings:
        log.warning("%s: %s", run_dir.name, warning)
    return Summary(
        identity=run_dir.name,
        name=cfg.name,
        params=parts.params,
        n_train=data.n_train,
        num_outputs=data.num_outputs,
        params_per_sample=parts.params / data.n_train,
        params_per_constraint=parts.params / (data.n_train * data.num_outputs),
        train_error=last["train_error"],
        # No target of a regression is right or wrong, and 1 - a squared error is no share of noise fitted.
        train_error_clean=last["train_error_clean"] if data.task == "classification" else None,
        train_error_noisy=last["train_error_noisy"] if data.task == "classification" else None,
        test_error=last["test_error"],
        train_loss=last["train_loss"],
        test_loss=last["test_loss"],
        best_test_error=best["test_error"],
        best_step=best["step"],
        interpolation_step=fitted[0] if fitted else None,
        noise_rate=splits["train"].noise_rate(),
        steps=last["step"],
        pack=member.pack,
        wall_seconds=wall_seconds,
        warnings=warnings,
        val_loss=last.get("val_loss"),
        val_error=last.get("val_error"),
        # What measures and the module's own logging say, the last of each.
        measures={
            key: value for row in table for key, value in row.items() if key not in (*COLUMNS, "epoch")
        },
        config=without_secrets(flat_values(cfg)),
        choices=plain.get(CHOICES, {}),
    )
