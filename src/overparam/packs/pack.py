"""Several runs trained as one; what each leaves behind is what it leaves when it is trained alone."""

import logging
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch
from filelock import Timeout
from omegaconf import DictConfig

from overparam.errors import counted
from overparam.models.parameters import without_memory
from overparam.packs.checkpoint import MemberCheckpoints, complete_checkpoints
from overparam.packs.data import PackDataModule, sample_mask
from overparam.packs.module import PackModule
from overparam.packs.record import Recorded
from overparam.packs.rows import arrange, pack_key
from overparam.packs.side_by_side import runs_side_by_side
from overparam.runs.state import (
    CHECKPOINT,
    AlreadyRunning,
    Diverged,
    describe,
    has_diverged,
    lock,
    record_failure,
)
from overparam.runs.summary import read_summary
from overparam.training.build import Parts, assemble, located, resolve
from overparam.training.measuring import RunMeasures
from overparam.training.resume import start_step
from overparam.training.run import Member, fail_loggers, interruptible, train, train_together

log = logging.getLogger(__name__)

Result = dict[str, Any] | Exception

EVALUATED_NUMBERS = (
    2**22
)  # what the inputs and the units of a layer may hold in a forward pass of all members


def train_pack(cfgs: Sequence[DictConfig]) -> list[Result]:
    """Train the runs that `cfgs` describe together, or what is left of them; return summary or error of each.

    As with `overparam.training.run.train`, finished runs are returned as they stand, killed ones continue from their
    checkpoints, and a run that another process is training is left to it. What is left of a pack equals the pack that
    was not interrupted bit for bit: a run that is finished, or has diverged, keeps its place. If the pack as a whole
    fails, its runs are trained one by one, as is one whose checkpoint is of another step than the others'.
    """
    cfgs = [located(resolve(cfg)) for cfg in cfgs]
    run_dirs = [Path(cfg.paths.run) for cfg in cfgs]
    pack = Recorded(tuple(run_dir.name for run_dir in run_dirs), cfgs[0].cpu_threads or 1).name
    results: dict[Path, Result] = {}
    running = AlreadyRunning(f"{run_dirs[0]} is being trained with others by another process")
    with ExitStack() as locks:
        if not _locked(run_dirs[0].parent / ".packs" / pack, locks):
            return [read_summary(run_dir) or running for run_dir in run_dirs]
        members = []
        for cfg, run_dir in zip(cfgs, run_dirs, strict=True):
            member = PackMember(cfg=cfg, run_dir=run_dir, parts=assemble(cfg), pack=pack)
            members.append(member)
            member.only_keeps_place = True
            if (finished := read_summary(run_dir)) is not None:
                results[run_dir] = finished
            elif has_diverged(run_dir):
                results[run_dir] = Diverged("before")
            elif not _locked(run_dir, locks):
                results[run_dir] = AlreadyRunning(f"{run_dir} is being trained by another process")
            else:
                member.only_keeps_place = False
        _continue(members)
        try:
            for grid in arrange(members, _key, _side_by_side(members[0])):
                if not all(member.only_keeps_place for row in grid for member in row):
                    results |= _train_grid(grid)
        except Exception:
            log.exception("a pack of %s failed; they are trained one by one", counted(len(members), "run"))
            for member in members:
                fail_loggers(member)
    return [results.get(run_dir) or _alone(cfg) for cfg, run_dir in zip(cfgs, run_dirs, strict=True)]


def _continue(members: Sequence["PackMember"]) -> None:
    """Settle the step at which a pack begins or continues: that of most of its runs; others keep their place."""
    active = [member for member in members if not member.only_keeps_place]
    complete_checkpoints([member.run_dir / CHECKPOINT for member in active])
    steps = {member.run_dir: start_step(member.run_dir, member.cfg) for member in active}
    step = Counter(steps.values()).most_common(1)[0][0] if steps else 0
    for member in members:
        member.step = step
        member.only_keeps_place |= steps.get(member.run_dir, step) != step


@dataclass
class PackMember(Member):
    """A member of a pack, or what keeps its place."""

    def diverge(self, error: Diverged) -> None:
        """Record it at once: a pack that is killed later continues without it."""
        super().diverge(error)
        record_failure(self.run_dir, describe(error))


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


def _key(member: Member) -> Any:
    return pack_key(member.cfg, member.parts)


def _side_by_side(member: Member) -> bool:
    return runs_side_by_side(without_memory(member.parts.build_net))


class Pack:
    """The members of a grid, as `training.run.Together`."""

    def __init__(self, grid: Sequence[Sequence[PackMember]]) -> None:
        self.members = members = [member for row in grid for member in row]
        self.modules = [member.parts.build_module() for member in members]
        recipes = [recipe(row[0].parts) for row in grid]
        self.module = PackModule(self.modules, recipes, _sample_weights([member.parts for member in members]))
        data: list[list[Any]] = [[member.parts.data for member in row] for row in grid]
        keys = [[_key(member) for member in row] for row in grid]
        self.datamodule = self.data = PackDataModule(
            data, [row[0].inputs for row in keys], [key.labels for row in keys for key in row]
        )
        files = [member.run_dir / CHECKPOINT for member in members]
        self.plugins = [MemberCheckpoints(self.module, files, lambda m: members[m].is_followed)]
        self.callbacks: list[L.Callback] = []
        self.measures: RunMeasures | None = None

    def prepare(self, trainer: L.Trainer) -> None:
        """Settle how many samples are evaluated at once, by what the members' units take."""
        self.datamodule.most = self._samples_at_once()

    def _samples_at_once(self) -> int:
        stack, inputs = self.module.stack, self.members[0].parts.data.input_shape
        numbers = torch.Size(inputs).numel()
        if stack.is_side_by_side:
            sample = stack.flat.numel() // numbers + stack.rows * numbers
            # Samples are the last axis: in multiples of 64 wide products are a quarter faster on two CPU threads.
            return max(EVALUATED_NUMBERS // sample // 64, 1) * 64
        largest = max(member.parts.data.batch_size for member in self.members)
        # Its activations are many times its inputs.
        return min(largest, max(EVALUATED_NUMBERS // (stack.rows * numbers), 64))

    def weights(self, member: int) -> dict[str, Any]:
        """Return a member's final weights."""
        net = self.modules[member].net
        net.load_state_dict(
            self.module.stack.member_state(member), assign=True
        )  # in the dtype it was trained in
        return net.state_dict()


def _train_grid(grid: Sequence[Sequence[PackMember]]) -> dict[Path, Result]:
    pack = Pack(grid)
    with interruptible():
        results = train_together(pack.members, pack)
    active = [member for member in pack.members if not member.only_keeps_place]
    for member, result in zip(active, results, strict=True):
        if isinstance(result, Exception) and result is not member.diverged:
            record_failure(member.run_dir, describe(result), "".join(traceback.format_exception(result)))
    return {member.run_dir: result for member, result in zip(active, results, strict=True)}


def recipe(parts: Parts) -> "partial[torch.optim.Optimizer]":
    """Return how a member makes its optimizer: the class, and its hyperparameters."""
    assert isinstance(parts.optimizer, partial)
    return parts.optimizer


def _sample_weights(parts: Sequence[Parts]) -> torch.Tensor | None:
    """Return what a sample counts for in its member's mean, or None where batches are all of one size."""
    sizes = [part.data.batch_size for part in parts]
    if len(set(sizes)) == 1:
        return None
    return sample_mask(sizes) / torch.tensor(sizes, dtype=torch.float64)[:, None]
