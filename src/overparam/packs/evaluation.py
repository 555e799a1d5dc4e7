"""Train and test error of every member, at the steps and by the definitions of a run alone."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import lightning as L
import torch
from torch import Tensor

from overparam.data.module import Split
from overparam.packs.data import Labels, PackDataModule, stack_padded
from overparam.packs.module import PackModule, member_losses
from overparam.training.evaluation import Diverged, Evaluation, per_sample_error
from overparam.training.module import Loss

CHUNK_NUMBERS = 2**22  # what the inputs and the units of a layer may hold in a forward pass of all members


class Logged(Protocol):
    """A member of a pack: where its numbers go, and whether it diverged."""

    loggers: list[Any]
    error: Diverged | None


class PackEvaluation(Evaluation):
    """Writes the members' rows, each to its own loggers. A member that diverges is marked, and the rest go on.

    Args:
        members: in the order of the pack.
        per_decade: see `Evaluation`.
        batch_size: most samples of a member in a forward pass.
    """

    def __init__(self, members: Sequence[Logged], per_decade: int, batch_size: int) -> None:
        super().__init__(per_decade, batch_size)
        self.members = members

    def _log(self, trainer: L.Trainer, module: Any) -> None:
        assert isinstance(module, PackModule)
        data: PackDataModule = trainer.datamodule  # type: ignore[attr-defined]
        module.eval()
        inputs = data.splits("train")[0].stored[0].numel()
        if module.stack.is_side_by_side:
            sample = module.stack.flat.numel() // inputs + module.stack.rows * inputs
            # Samples are the last axis: in multiples of 64 wide products are a quarter faster on two CPU threads.
            size = min(self.batch_size, max(CHUNK_NUMBERS // sample // 64, 1) * 64)
        else:  # its activations are many times its inputs
            size = min(self.batch_size, max(member.batch_size for member in data.members))
            size = min(size, max(CHUNK_NUMBERS // (module.stack.rows * inputs), 64))
        trains, tests = (
            evaluate_members(module, data.splits(name), data.labels(name), module.loss, size)
            for name in ("train", "test")
        )
        module.train()
        for member, train, test in zip(self.members, trains, tests, strict=True):
            if member.error is not None:
                continue
            row = {f"train_{name}": value for name, value in train.items()}
            row |= {"test_loss": test["loss"], "test_error": test["error"]}
            for logger in member.loggers:
                logger.log_metrics(row, step=trainer.global_step)
            if not math.isfinite(train["loss"]):
                member.error = Diverged(f"training loss is {train['loss']} at step {trainer.global_step}")
        if all(member.error is not None for member in self.members):
            trainer.should_stop = True


@torch.no_grad()
def evaluate_members(
    forward: Callable[[Tensor], Tensor], splits: Sequence[Split], labels: Labels, loss: Loss, batch_size: int
) -> list[dict[str, float]]:
    """Return what `measures.evaluation.evaluate` returns, for every member at once.

    Args:
        forward: the pack, [R, N, *input_shape] -> [M, K, N].
        splits: the rows' samples.
        labels: the members' labels.
        loss: "cross_entropy" or "mse".
        batch_size: most samples of a member in a forward pass.
    """
    device = labels.y.device
    dtype = torch.float32 if device.type == "mps" else torch.float64  # MPS has no float64
    lengths = torch.tensor(labels.lengths, dtype=dtype, device=device)
    sums = torch.zeros(4, len(lengths), dtype=dtype, device=device)
    for start in range(0, max(labels.lengths), batch_size):
        rows = slice(start, start + batch_size)
        y, noisy, mask = (part[:, rows] for part in (labels.y, labels.noisy, labels.mask))
        outputs = forward(stack_padded([split.inputs(rows) for split in splits]))
        losses, errors = member_losses(loss, outputs, y), member_errors(outputs, y)
        # A padded sample counts nothing, not even if its member's outputs are NaN.
        values = [torch.where(mask, v, 0).to(dtype) for v in (losses, errors, errors * noisy, noisy)]
        sums += torch.stack([value.sum(1) for value in values])
    means = (sums / lengths).T.tolist()
    return [
        {
            "loss": mean_loss,
            "error": error,
            "error_clean": (error - both) / (1 - share) if share < 1 else math.nan,
            "error_noisy": both / share if share > 0 else math.nan,
        }
        for mean_loss, error, both, share in means
    ]


def member_errors(outputs: Tensor, y: Tensor) -> Tensor:
    """Return `per_sample_error` [M, N] of outputs [M, K, N] against y [M, N] or [M, N, K]."""
    if y.is_floating_point():
        return per_sample_error(outputs.transpose(1, 2).flatten(0, 1), y.flatten(0, 1)).view(y.shape[:2])
    # max finds the index that argmax finds, 5 times faster along this axis on a CPU.
    return (outputs.max(1).indices != y).float()
