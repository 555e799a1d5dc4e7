"""Iterative magnitude pruning: winning tickets, and the same masks on newly drawn weights."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from overparam.randomness import derive_seed
from overparam.ranges import BelowOne, PositiveInt
from overparam.studies.retraining import retrain
from overparam.training.build import assemble
from overparam.training.finished import FinishedRun, loss_and_error

ERRORS = ("error_ticket", "error_reinit", "error_pruned")


def lottery_ticket(
    runs: Sequence[FinishedRun],
    rounds: PositiveInt = 5,
    amount: BelowOne = 0.4,
    readout_amount: BelowOne = 0.2,
) -> list[dict[str, Any]]:
    """Find winning tickets by iterative magnitude pruning (Frankle & Carbin 2019, strategy 1).

    Each round removes `amount` of the remaining weights of every layer, the smallest in magnitude
    (`torch.nn.utils.prune`; `readout_amount` in the last layer, no biases), resets the rest to their values
    at step 0 and trains again as the run was trained, with its own optimizer, schedule and batches. The
    control has the same masks and newly drawn weights ("random reinit").

    Args:
        runs: one finished run.
        rounds: rounds of pruning; each costs two trainings.
        amount: share of the remaining weights pruned in a round.
        readout_amount: the same of the last layer.

    Returns:
        A row for each round, round 0 being the dense network: `round`, `weights_left` (share of prunable weights),
        test errors `error_ticket`, `error_reinit` (of the control) and `error_pruned` (of the pruned network before
        it is trained again), and `gain_over_dense`, `gain_over_reinit`: by how much the ticket's error is lower.
    """
    (run,) = runs
    start = run.new_net()
    dense = loss_and_error(run.net, run.test, run.loss)[1]
    rows = [{"round": 0, "weights_left": 1.0, **dict.fromkeys(ERRORS, dense)}]
    trained, masks = run.net, {name: torch.ones_like(w) for name, w in prunable(start).items()}
    for number in range(1, rounds + 1):
        masks = prune_smallest(trained, masks, amount, readout_amount)
        pruned = masked(trained, masks)
        ticket = retrain(run, masked(start, masks), masks)
        reinit = retrain(run, masked(_reinitialized(run), masks), masks)
        kept = sum(mask.sum().item() for mask in masks.values()) / sum(m.numel() for m in masks.values())
        errors = [loss_and_error(net, run.test, run.loss)[1] for net in (ticket, reinit, pruned)]
        rows.append({"round": number, "weights_left": kept, **dict(zip(ERRORS, errors, strict=True))})
        trained = ticket
    for row in rows:
        row["gain_over_dense"] = dense - row["error_ticket"]
        row["gain_over_reinit"] = row["error_reinit"] - row["error_ticket"]
    return rows


def prune_smallest(
    net: nn.Module, masks: dict[str, Tensor], amount: BelowOne, readout_amount: float
) -> dict[str, Tensor]:
    """Return masks without `amount` of each layer's remaining weights, the smallest in magnitude."""
    weights = prunable(net)
    last = list(weights)[-1]
    new = {}
    for name, weight in weights.items():
        share = readout_amount if name == last else amount
        method = prune.L1Unstructured(amount=round(share * int(masks[name].sum())))
        # Weights pruned before are zero, but others may be zero too: infinity tells them apart.
        left = torch.where(masks[name] > 0, weight.detach().abs(), torch.inf)
        new[name] = method.compute_mask(left, torch.ones_like(weight)) * masks[name]
    return new


def masked(net: nn.Module, masks: dict[str, Tensor]) -> nn.Module:
    """Return a copy of the network with the masked weights at zero."""
    copied = copy.deepcopy(net)
    with torch.no_grad():
        for name, weight in prunable(copied).items():
            weight.mul_(masks[name])
    return copied


def prunable(net: nn.Module) -> dict[str, nn.Parameter]:
    """Return weight matrices and kernels by name; biases and norms are not pruned."""
    return {name: p for name, p in net.named_parameters() if p.ndim > 1}


def _reinitialized(run: FinishedRun) -> nn.Module:
    cfg = copy.deepcopy(run.cfg)
    cfg.seed = derive_seed(run.cfg.seed, "reinit") % 2**31
    return assemble(cfg).build_module().net.eval()
