"""Several runs as one, top to bottom; what each leaves behind is what `overparam.training.run` writes for it alone."""

import logging
import traceback
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from filelock import Timeout
from lightning.pytorch.callbacks import Timer
from omegaconf import DictConfig

from overparam.allocator import keep_freed_memory
from overparam.packs.checkpoint import MemberCheckpoints
from overparam.packs.data import PackDataModule, sample_mask
from overparam.packs.evaluation import PackEvaluation
from overparam.packs.module import PackModule
from overparam.packs.rows import Kin, arrange, kin
from overparam.packs.side_by_side import runs_side_by_side
from overparam.runs.identity import run_directory
from overparam.runs.state import AlreadyRunning, describe, lock, record_failure
from overparam.runs.summary import read_summary
from overparam.training.build import Parts, assemble, build_trainer, resolve
from overparam.training.checkpoint import TimedCheckpoint
from overparam.training.evaluation import Diverged
from overparam.training.module import SupervisedModule
from overparam.training.run import (
    CHECKPOINT,
    checkpoint_step,
    close_run,
    interruptible,
    open_run,
    train,
    write_provenance,
)

log = logging.getLogger(__name__)

Result = dict[str, Any] | Exception


@dataclass
class Member:
    """A run in a pack."""

    cfg: DictConfig
    run_dir: Path
    parts: Parts
    step: int = 0  # where it continues
    loggers: list[Any] = field(default_factory=list)
    error: Diverged | None = None

    @cached_property
    def kin(self) -> Kin:
        """What it has in common with others."""
        return kin(self.cfg, self.parts)


def train_pack(cfgs: Sequence[DictConfig]) -> list[Result]:
    """Train the runs that `cfgs` describe together, or what is left of them; return summary or error of each.

    As with `overparam.training.run.train`, finished runs are returned as they stand, killed ones continue from their
    checkpoints (those at one step together), and a run that another process is training is left to it. If
    the pack as a whole fails, its runs are trained one by one.
    """
    cfgs = [resolve(cfg) for cfg in cfgs]
    run_dirs = [run_directory(cfg) for cfg in cfgs]
    results: dict[Path, Result] = {}
    with ExitStack() as locks:
        members = []
        for cfg, run_dir in zip(cfgs, run_dirs, strict=True):
            member = Member(cfg, run_dir, assemble(cfg))
            if (finished := read_summary(member.run_dir)) is not None:
                results[member.run_dir] = finished
            elif not _locked(member.run_dir, locks):
                results[member.run_dir] = AlreadyRunning(
                    f"{member.run_dir} is being trained by another process"
                )
            else:
                member.step = checkpoint_step(member.run_dir)
                members.append(member)
        together: dict[int, list[Member]] = defaultdict(list)
        for member in members:
            together[member.step].append(member)
        for same_step in together.values():
            try:
                for grid in arrange(same_step, lambda member: member.kin, _side_by_side(same_step[0])):
                    results |= _train_together(grid)
            except Exception:
                log.exception("a pack of %d runs failed; they are trained one by one", len(same_step))
                for member in same_step:
                    _fail_loggers(member)
    return [results.get(run_dir) or _alone(cfg) for cfg, run_dir in zip(cfgs, run_dirs, strict=True)]


def _alone(cfg: DictConfig) -> Result:
    try:
        return train(cfg)
    except Exception as error:
        return error


def _locked(run_dir: Path, locks: ExitStack) -> bool:
    run_dir.mkdir(parents=True, exist_ok=True)
    try:
        locks.enter_context(lock(run_dir))
    except Timeout:
        return False
    return True


def _side_by_side(member: Member) -> bool:
    with torch.device("meta"):
        return runs_side_by_side(member.parts.build_net())


def _train_together(grid: Sequence[Sequence[Member]]) -> dict[Path, Result]:
    members = [member for row in grid for member in row]
    first = members[0]
    torch.set_num_threads(first.cfg.cpu_threads)
    keep_freed_memory()
    modules = [member.parts.build_module() for member in members]
    recipes = [recipe(row[0]) for row in grid]
    module = PackModule(modules, recipes, _sample_weights([member.parts for member in members]))
    files = [member.run_dir / CHECKPOINT for member in members]
    clock = Timer()
    trainer = build_trainer(
        first.cfg,
        callbacks=[
            clock,
            PackEvaluation(members, **first.cfg.evaluation),
            TimedCheckpoint(files[0].with_name(".pack"), first.cfg.checkpoint_seconds),
        ],
        plugins=[MemberCheckpoints(module, files, lambda m: members[m].error is None)],
        logger=False,
        default_root_dir=first.run_dir,
    )
    for member in members:
        member.loggers = open_run(member.cfg, member.run_dir, member.step)
        write_provenance(member.run_dir, trainer)
    data = PackDataModule(
        [[member.parts.data for member in row] for row in grid],
        [row[0].kin.inputs for row in grid],
        [member.kin.labels for member in members],
    )
    with interruptible():
        trainer.fit(module, datamodule=data, ckpt_path=files[0] if first.step else None, weights_only=True)
    seconds = clock.time_elapsed("train") / len(members)  # a member's share
    return {
        member.run_dir: _close(member, modules[position], module.stack.member_state(position), seconds)
        for position, member in enumerate(members)
    }


def _close(
    member: Member, module: SupervisedModule, state: dict[str, torch.Tensor], seconds: float
) -> Result:
    try:
        if member.error is not None:
            raise member.error
        module.net.load_state_dict(state, assign=True)  # in the dtype it was trained in
        weights = module.net.state_dict()
        return close_run(member.cfg, member.parts, member.run_dir, weights, member.loggers, seconds)
    except Exception as error:
        record_failure(member.run_dir, describe(error), traceback.format_exc())
        _fail_loggers(member)
        return error


def _fail_loggers(member: Member) -> None:
    """Tell W&B what Lightning tells it when a run alone fails: this pack's Trainer has no loggers."""
    for logger in member.loggers[1:]:
        logger.finalize("failed")


def recipe(member: Member) -> "partial[torch.optim.Optimizer]":
    """Return how the member makes its optimizer: the class, and its hyperparameters."""
    assert isinstance(member.parts.optimizer, partial)
    return member.parts.optimizer


def _sample_weights(parts: Sequence[Parts]) -> torch.Tensor | None:
    """Return what a sample counts for in its member's mean, or None where batches are all of one size."""
    sizes = [part.data.batch_size for part in parts]
    if len(set(sizes)) == 1:
        return None
    return sample_mask(sizes) / torch.tensor(sizes, dtype=torch.float64)[:, None]
