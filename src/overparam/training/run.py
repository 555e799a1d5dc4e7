"""One run, top to bottom."""

import logging
import math
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import torch
from filelock import Timeout
from hydra.utils import instantiate
from lightning.fabric.utilities.rank_zero import _get_rank
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig, OmegaConf
from torch import nn
from torch.distributed.tensor import DTensor

from overparam.allocator import keep_freed_memory
from overparam.data.module import PoolDataModule
from overparam.loggers.metrics_table import MetricsTable, read_metrics
from overparam.measures.subject import Measures
from overparam.randomness import derive_seed
from overparam.runs.identity import flat_values, run_directory
from overparam.runs.provenance import provenance, uncommitted_changes
from overparam.runs.state import FAILURE, AlreadyRunning, RunFailed, describe, lock, record_failure
from overparam.runs.summary import Summary, read_summary, write_json, write_summary
from overparam.training.build import Parts, assemble, build_evaluation, build_trainer, resolve
from overparam.training.checkpoint import WEIGHTS, TimedCheckpoint
from overparam.training.evaluation import COLUMNS, log_spaced_steps
from overparam.training.progress import RunProgress

log = logging.getLogger(__name__)

CHECKPOINT = "last.ckpt"


def train(cfg: DictConfig, show: bool = False) -> dict[str, Any]:
    """Train the run that `cfg` describes, or what is left of it, and return its summary.

    A finished run is returned as it stands, a killed one continues from its checkpoint with the numbers it
    would have had. A run that fails leaves `failure.json` in its directory.

    Args:
        cfg: the composed config.
        show: whether to tell the terminal what is trained and how far it is.

    Raises:
        ConfigError: before anything is written, if the run could not be trained as asked.
        AlreadyRunning: if another process is training the run.
    """
    cfg = resolve(cfg)
    parts = assemble(cfg)
    run_dir = run_directory(cfg)
    if (finished := read_summary(run_dir)) is not None:
        log.info("finished before: %s", run_dir)
        return finished
    parts.require_data()
    trainer = build_trainer(cfg, logger=False)  # what Lightning refuses, it refuses here
    parts.check_processes(trainer, cfg.trainer.get("sync_batchnorm", False))
    run_dir.mkdir(parents=True, exist_ok=True)
    if not is_first_process():
        _train(cfg, parts, run_dir, show=False)
        return read_summary(run_dir) or {}
    try:
        with lock(run_dir):
            if (finished := read_summary(run_dir)) is not None:  # by another process, since we looked
                return finished
            try:
                with interruptible():
                    return _train(cfg, parts, run_dir, show)
            except SIGTERMException:
                raise  # told to end: not a failure, the run can continue
            except SystemExit as error:
                record_failure(run_dir, f"it ended itself, sys.exit({error.code})", traceback.format_exc())
                raise RunFailed(f"{run_dir} ended itself, sys.exit({error.code})") from error
            except Exception as error:
                record_failure(run_dir, describe(error), traceback.format_exc())
                traceback.clear_frames(error.__traceback__)  # they hold the network, and a sweep goes on
                raise
    except Timeout as error:
        raise AlreadyRunning(f"{run_dir} is being trained by another process") from error


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C be Ctrl-C: Lightning answers it with an exit."""
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.default_int_handler)
            raise KeyboardInterrupt from None
        raise


def _train(cfg: DictConfig, parts: Parts, run_dir: Path, show: bool) -> dict[str, Any]:
    module, data = parts.build_module(), parts.data
    torch.set_num_threads(cfg.cpu_threads)
    keep_freed_memory()
    torch.manual_seed(derive_seed(cfg.seed, "dropout"))
    checkpoint, step = run_dir / CHECKPOINT, checkpoint_step(run_dir)
    loggers = open_run(cfg, run_dir, step) if is_first_process() else []
    clock = Timer()
    keep = TimedCheckpoint(checkpoint, cfg.checkpoint_seconds)
    callbacks = [clock, build_evaluation(cfg), *_measuring(cfg, parts), keep]
    if show:
        settings: Any = OmegaConf.to_container(cfg, resolve=True)
        callbacks.append(RunProgress(run_dir.name, settings, parts.params, data.n_train))
    trainer = build_trainer(cfg, callbacks=callbacks, logger=loggers, default_root_dir=run_dir)
    if is_first_process():
        write_provenance(run_dir, trainer)
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint if step else None, weights_only=True)
    weights = whole_weights(module.net)
    if is_first_process():
        close_run(cfg, parts, run_dir, weights, loggers, clock.time_elapsed("train"))
    trainer.strategy.barrier()
    return read_summary(run_dir) or {}


def is_first_process() -> bool:
    """Whether this is the process of a run that writes its files: all are, but in a distributed run only one is."""
    return (_get_rank() or 0) == 0


def checkpoint_step(run_dir: Path) -> int:
    """Return the step that a killed run continues from; 0 if it starts anew."""
    checkpoint = run_dir / CHECKPOINT
    return torch.load(checkpoint, weights_only=True)["global_step"] if checkpoint.exists() else 0


def open_run(cfg: DictConfig, run_dir: Path, step: int) -> list[Any]:
    """Write the run's config, and return its loggers: the metrics table, and W&B if it is asked for."""
    resolved = OmegaConf.to_container(cfg, resolve=True)
    (run_dir / "config.yaml").write_text(OmegaConf.to_yaml(cfg, resolve=True))
    loggers: list[Any] = [MetricsTable(run_dir, step)]
    if cfg.get("logger"):
        names = {"run_dir": run_dir, "identity": run_dir.name, "sweep": cfg.name, "settings": resolved}
        loggers.append(instantiate(cfg.logger, _partial_=True)(**names))
    return loggers


def write_provenance(run_dir: Path, trainer: L.Trainer) -> None:
    """Write where the run's result comes from."""
    write_json(run_dir / "provenance.json", provenance(str(trainer.strategy.root_device)))
    if changes := uncommitted_changes():
        (run_dir / "uncommitted.diff").write_text(changes)


def whole_weights(net: nn.Module) -> dict[str, Any]:
    """Return the network's weights, gathered from all processes if they are sharded; all must call it."""
    return {k: v.full_tensor() if isinstance(v, DTensor) else v for k, v in net.state_dict().items()}


def close_run(
    cfg: DictConfig,
    parts: Parts,
    run_dir: Path,
    weights: dict[str, Any],
    loggers: list[Any],
    wall_seconds: float,
) -> dict[str, Any]:
    """Write what a trained run leaves behind, `summary.json` last, and return its content."""
    summary = summarize(cfg, run_dir, parts.data, parts.params, wall_seconds)
    torch.save(weights, run_dir / WEIGHTS)
    for logger in loggers[1:]:
        logger.end(summary, run_dir / WEIGHTS)
    written = write_summary(run_dir, summary)
    (run_dir / CHECKPOINT).unlink(missing_ok=True)
    (run_dir / FAILURE).unlink(missing_ok=True)
    log.info(
        "%s: train error %.3f, test error %.3f, P/n %.2f, %.1f s",
        *(run_dir, summary.train_error, summary.test_error, summary.params_per_sample, wall_seconds),
    )
    return written


def _measuring(cfg: DictConfig, parts: Parts) -> list[Measures]:
    if not any(parts.measures.values()):
        return []
    steps = set(log_spaced_steps(cfg.trainer.max_steps, cfg.evaluation.per_decade))
    initial = parts.build_module().net  # the stream "init" gives the same weights again
    return [Measures(parts.measures["end"], parts.measures["evaluations"], initial, steps, cfg.seed)]


def summarize(
    cfg: DictConfig, run_dir: Path, data: PoolDataModule, params: int, wall_seconds: float
) -> Summary:
    """Return the summary of a run from its metrics table, its data and its size."""
    rows = read_metrics(run_dir)
    last, best = rows[-1], min(rows, key=lambda row: row["test_error"])
    tolerance = 0.0 if data.task == "classification" else 1e-3 * float(data.train.y.var())
    fitted = [row["step"] for row in rows if row["train_error"] <= tolerance]
    alarms = []
    if data.task == "classification":
        chance = 1 - 1 / data.num_outputs
        margin = 3 * math.sqrt(chance * (1 - chance) / len(data.test))
        if last["test_error"] > chance + margin:
            alarms.append(f"test error {last['test_error']:.3f} is worse than chance ({chance:.3f})")
    for alarm in alarms:
        log.warning("%s: %s", run_dir.name, alarm)
    n, outputs = len(data.train), data.num_outputs
    return Summary(
        identity=run_dir.name,
        name=cfg.name,
        params=params,
        n_train=n,
        num_outputs=outputs,
        params_per_sample=params / n,
        params_per_constraint=params / (n * outputs),
        train_error=last["train_error"],
        train_error_clean=last["train_error_clean"],
        train_error_noisy=last["train_error_noisy"],
        test_error=last["test_error"],
        train_loss=last["train_loss"],
        test_loss=last["test_loss"],
        best_test_error=best["test_error"],
        best_step=best["step"],
        interpolation_step=fitted[0] if fitted else None,
        noise_rate=float(data.train.noisy.double().mean()),
        steps=last["step"],
        wall_seconds=wall_seconds,
        alarms=alarms,
        measures={key: value for key, value in last.items() if key not in COLUMNS},
        config=flat_values(cfg),
    )
