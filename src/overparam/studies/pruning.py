"""Iterative magnitude pruning: winning tickets against the same sparsity drawn at random, and what pruning costs."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from overparam.randomness import derive_seed
from overparam.studies.retraining import retrain
from overparam.training.build import assemble
from overparam.training.finished import FinishedRun, loss_and_error


def lottery_ticket(
    runs: Sequence[FinishedRun], rounds: int = 5, amount: float = 0.4, readout_amount: float = 0.2
) -> list[dict[str, Any]]:
    """Search winning tickets by iterative magnitude pruning (Frankle & Carbin 2019, strategy 1).

    Each round takes away `amount` of the remaining weights of every layer, the smallest in magnitude
    (`torch.nn.utils.prune`; `readout_amount` in the last layer, biases none), resets the rest to their values
    at step 0 and trains again as the run was trained, with its own optimizer, schedule and batches. The
    control has the same masks and newly drawn weights ("random reinit").

    Args:
        runs: one finished run.
        rounds: rounds of pruning; each costs two trainings.
        amount: share of the remaining weights pruned in a round.
        readout_amount: the same of the last layer.

    Returns:
        A row a round, round 0 being the dense network: `round`, `weights_left` (share of prunable weights),
        `error_ticket`, `error_reinit` and `error_pruned` (test errors of the ticket, of the control, and of the
        pruned network before it is trained again), `gain_over_dense`, `gain_over_reinit`: what the ticket is
        better by.
    """
    (run,) = runs
    start = run.new_net()
    dense = loss_and_error(run.net, run.test, run.loss)[1]
    rows = [_row(0, 1.0, dense, dense, dense, dense)]
    trained, masks = run.net, {name: torch.ones_like(w) for name, w in prunable(start).items()}
    for number in range(1, rounds + 1):
        masks = prune_smallest(trained, masks, amount, readout_amount)
        pruned = masked(trained, masks)
        ticket = retrain(run, masked(start, masks), masks)
        reinit = retrain(run, masked(_reinitialized(run), masks), masks)
        kept = sum(mask.sum().item() for mask in masks.values()) / sum(
            mask.numel() for mask in masks.values()
        )
        errors = [loss_and_error(net, run.test, run.loss)[1] for net in (ticket, reinit, pruned)]
        rows.append(_row(number, kept, dense, *errors))
        trained = ticket
    return rows


def _row(
    number: int, kept: float, dense: float, ticket: float, reinit: float, pruned: float
) -> dict[str, Any]:
    return {
        **{"round": number, "weights_left": kept},
        **{"error_ticket": ticket, "error_reinit": reinit, "error_pruned": pruned},
        **{"gain_over_dense": dense - ticket, "gain_over_reinit": reinit - ticket},
    }


def prune_smallest(
    net: nn.Module, masks: dict[str, Tensor], amount: float, readout_amount: float
) -> dict[str, Tensor]:
    """Return masks with `amount` of each layer's remaining weights gone, the smallest in magnitude."""
    weights = prunable(net)
    last = list(weights)[-1]
    new = {}
    for name, weight in weights.items():
        share = readout_amount if name == last else amount
        method = prune.L1Unstructured(amount=round(share * int(masks[name].sum())))
        # Weights pruned before are zero, but so may others be: infinity keeps them apart.
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
