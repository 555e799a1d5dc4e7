"""Compression of a trained network without training again: error against size."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from overparam.ranges import PositiveInt, PositiveShare
from overparam.studies.interpolation import recompute_statistics
from overparam.studies.pruning import masked, prunable, prune_smallest
from overparam.training.finished import FinishedRun, loss_and_error


def compression(
    runs: Sequence[FinishedRun],
    kept: Sequence[PositiveShare] = (0.5, 0.2, 0.1, 0.05),
    rank_shares: Sequence[PositiveShare] = (0.5, 0.25, 0.1, 0.05),
    bits: Sequence[PositiveInt] = (8, 6, 4, 3, 2),
) -> list[dict[str, Any]]:
    """Compress a finished network by pruning, low-rank factors and quantization, and measure its error.

    Weight matrices, and kernels as matrices [out, in * size], are compressed; biases and norms are not. BatchNorm
    statistics are recomputed on the training set; nothing is trained. Sizes are those of a file:

    - "prune": keeps the largest weights of each layer in magnitude, at full precision, and one bit for every
      weight that says whether it is kept.
    - "low rank": the best approximation of rank r (truncated SVD), stored as two factors of r (out + in)
      numbers; a layer whose factors would be larger is kept, and so is the readout, whose rank is K or less.
    - "quantize": signed integers of b bits, rounded to nearest, with one scale for each row (unit or channel).

    Zeros save no time in dense arithmetic; low-rank factors save FLOPs in proportion to their size.

    Args:
        runs: one finished run.
        kept: shares of each layer's weights that pruning leaves.
        rank_shares: ranks r, as shares of each matrix's full rank.
        bits: b, 2 or more.

    Returns:
        A row each, the dense network first: `method`, `setting`, `size_kb` (2^10 bytes), `size_share` (of the
        dense size), `test_error`, `train_error`, `error_rise` (test error above the dense network's).
    """
    (run,) = runs
    ones = {name: torch.ones_like(w) for name, w in prunable(run.net).items()}
    each = next(run.net.parameters()).element_size() * 8
    dense = each * sum(p.numel() for p in run.net.parameters())
    variants: list[tuple[str, float, nn.Module, int]] = [("dense", 1.0, run.net, dense)]
    rest = dense - each * sum(mask.numel() for mask in ones.values())
    for share in kept:
        masks = prune_smallest(run.net, ones, 1 - share, 1 - share)
        stored = sum(each * int(mask.sum()) + mask.numel() for mask in masks.values())
        variants.append(("prune", share, masked(run.net, masks), rest + stored))
    for share in rank_shares:
        net, numbers = low_rank(run.net, share)
        variants.append(("low rank", share, net, rest + each * numbers))
    for b in bits:
        stored = sum(b * mask.numel() + each * len(mask) for mask in ones.values())
        variants.append(("quantize", b, quantized(run.net, b), rest + stored))
    rows: list[dict[str, Any]] = []
    for method, setting, net, size in variants:
        if method != "dense":
            recompute_statistics(net, run.train.x)
        row = {"method": method, "setting": setting, "size_kb": size / 8192, "size_share": size / dense}
        row["test_error"] = loss_and_error(net, run.test, run.loss)[1]
        row["train_error"] = loss_and_error(net, run.train, run.loss)[1]
        rows.append(row)
    return [{**row, "error_rise": row["test_error"] - rows[0]["test_error"]} for row in rows]


@torch.no_grad()
def low_rank(net: nn.Module, share: float) -> tuple[nn.Module, int]:
    """Return a copy with each weight matrix but the last at `share` of its rank, and how many numbers it stores."""
    copied = copy.deepcopy(net)
    *hidden, readout = prunable(copied).values()
    numbers = readout.numel()
    for weight in hidden:
        matrix = weight.flatten(1)
        rank = max(round(share * min(matrix.shape)), 1)
        if rank * sum(matrix.shape) < matrix.numel():
            u, s, vh = torch.linalg.svd(matrix.double(), full_matrices=False)
            weight.copy_(((u[:, :rank] * s[:rank]) @ vh[:rank]).view_as(weight))
            numbers += rank * sum(matrix.shape)
        else:
            numbers += matrix.numel()
    return copied, numbers


@torch.no_grad()
def quantized(net: nn.Module, bits: int) -> nn.Module:
    """Return a copy whose weights are integers of |.| < 2^(bits-1), times the scale of their row."""
    copied = copy.deepcopy(net)
    for weight in prunable(copied).values():
        rows = weight.flatten(1)
        scale = rows.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
        scale[scale == 0] = 1
        weight.copy_(((rows / scale).round() * scale).view_as(weight))
    return copied
