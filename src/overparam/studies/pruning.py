"""Iterative magnitude pruning: winning tickets, and the same masks on newly drawn weights."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from overparam.errors import ConfigError
from overparam.randomness import derive_seed, generator
from overparam.ranges import BelowOne, PositiveInt
from overparam.studies.retraining import retrain
from overparam.training.build import assemble
from overparam.training.finished import FinishedRun
from overparam.training.objective import error

Masks = dict[str, Tensor]  # parameter name -> zeros and ones


def lottery_ticket(
    runs: Sequence[FinishedRun],
    rounds: PositiveInt = 5,
    amount: BelowOne = 0.4,
    readout_amount: BelowOne = 0.2,
    controls: Sequence[str] = ("reinit",),
) -> list[dict[str, Any]]:
    """Find winning tickets by iterative magnitude pruning (Frankle & Carbin 2019, strategy 1).

    Each round removes `amount` of the remaining weights of every layer, the smallest in magnitude
    (`torch.nn.utils.prune`; `readout_amount` in the last layer, no biases), resets the rest to their values
    at step 0 and trains again as the run was trained, with its own optimizer, schedule and batches. Controls with as
    many weights are trained likewise: "reinit", the same mask on newly drawn weights; "shuffled", on the weights at
    step 0, the mask shuffled within every layer; "random", as many of all weights at step 0, whatever their layer
    (Frankle et al. 2021).

    Args:
        runs: one finished run.
        rounds: rounds of pruning; each costs a training, and one more for every control.
        amount: share of the remaining weights pruned in a round.
        readout_amount: the same of the last layer.
        controls: of `CONTROLS`.

    Returns:
        A row for each round, round 0 being the dense network: `round`, `weights_left` (share of prunable weights),
        test errors `error_ticket`, `error_pruned` (of the pruned network before it is trained again) and
        `error_<control>`; `gain_over_dense` and `gain_over_<control>`: by how much the ticket's error is lower; and
        of these `..._by_sample`, of which they are the means.
    """
    (run,) = runs
    if unknown := [name for name in controls if name not in CONTROLS]:
        raise ConfigError(f"study.controls has {unknown[0]}: there are {', '.join(CONTROLS)}")
    start = run.new_net()
    dense = _errors(run, run.net)
    rows = [_row(0, 1.0, dense, {"dense": dense, "pruned": dense} | dict.fromkeys(controls, dense))]
    trained, masks = run.net, {name: torch.ones_like(w) for name, w in prunable(start).items()}
    for number in range(1, rounds + 1):
        masks = prune_smallest(trained, masks, amount, readout_amount)
        others = {"dense": dense, "pruned": _errors(run, masked(trained, masks))}
        trained = retrain(run, masked(start, masks), masks)
        for name in controls:
            other_start, other_masks = CONTROLS[name](run, start, masks)
            others[name] = _errors(run, retrain(run, masked(other_start, other_masks), other_masks))
        kept = sum(mask.sum().item() for mask in masks.values()) / sum(m.numel() for m in masks.values())
        rows.append(_row(number, kept, _errors(run, trained), others))
    return rows


def _row(number: int, kept: float, ticket: Tensor, others: dict[str, Tensor]) -> dict[str, Any]:
    row: dict[str, Any] = {"round": number, "weights_left": kept, "error_ticket": ticket.mean().item()}
    row |= {f"error_{name}": errors.mean().item() for name, errors in others.items() if name != "dense"}
    for name, errors in others.items():
        if name != "pruned":
            row[f"gain_over_{name}"] = (errors - ticket).mean().item()
            row[f"gain_over_{name}_by_sample"] = (errors - ticket).tolist()
    return row


@torch.no_grad()
def _errors(run: FinishedRun, net: nn.Module) -> Tensor:
    """Return the error of a network on each test sample, [N] in float64."""
    return error(net(run.test.x.to(next(net.parameters()).dtype)), run.test.y).double()


def prune_smallest(net: nn.Module, masks: Masks, amount: BelowOne, readout_amount: float) -> Masks:
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


def masked(net: nn.Module, masks: Masks) -> nn.Module:
    """Return a copy of the network with the masked weights at zero."""
    copied = copy.deepcopy(net)
    with torch.no_grad():
        for name, weight in prunable(copied).items():
            weight.mul_(masks[name])
    return copied


def prunable(net: nn.Module) -> dict[str, nn.Parameter]:
    """Return weight matrices and kernels by name; biases and norms are not pruned."""
    return {name: p for name, p in net.named_parameters() if p.ndim > 1}


def _reinit(run: FinishedRun, start: nn.Module, masks: Masks) -> tuple[nn.Module, Masks]:
    cfg = copy.deepcopy(run.cfg)
    cfg.seed = derive_seed(run.cfg.seed, "reinit") % 2**31
    return assemble(cfg).build_module().net.eval(), masks


def _shuffled(run: FinishedRun, start: nn.Module, masks: Masks) -> tuple[nn.Module, Masks]:
    rng = generator(run.cfg.seed, "shuffled masks")
    return start, {
        name: mask.flatten()[torch.randperm(mask.numel(), generator=rng).to(mask.device)].view_as(mask)
        for name, mask in masks.items()
    }


def _random(run: FinishedRun, start: nn.Module, masks: Masks) -> tuple[nn.Module, Masks]:
    together = torch.cat([mask.flatten() for mask in masks.values()])
    order = torch.randperm(len(together), generator=generator(run.cfg.seed, "random masks"))
    parts = together[order.to(together.device)].split([mask.numel() for mask in masks.values()])
    return start, {name: part.view_as(masks[name]) for name, part in zip(masks, parts, strict=True)}


CONTROLS = {"reinit": _reinit, "shuffled": _shuffled, "random": _random}
