"""Training again as a run was trained: from other weights, with masks, or looked at on the way."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from overparam.data.module import PoolDataModule
from overparam.randomness import derive_seed
from overparam.training.build import build_trainer
from overparam.training.finished import FinishedRun
from overparam.training.fused import may_fuse


def retrain(
    run: FinishedRun,
    net: nn.Module,
    masks: Mapping[str, Tensor] | None = None,
    steps: Sequence[int] = (),
    look: Callable[[nn.Module], None] | None = None,
) -> nn.Module:
    """Train `net` as the run was trained, and return the result in eval mode.

    Optimizer, schedule, batches, augmentation, dropout and precision are the run's: from its own initial weights
    the result is the run's own, bit for bit on a CPU.

    Args:
        run: the run to repeat.
        net: a network of the run's shape; it stays as it is.
        masks: parameter name -> zeros and ones; masked weights stay zero.
        steps: steps after which `look` is called with the network in training.
        look: what to do then; it must leave the network as it is.
    """
    module, data = run.parts.build_module(), run.parts.data
    assert isinstance(data, PoolDataModule)
    trained = module.net = copy.deepcopy(net).train()
    owners = {name: name.rpartition(".") for name in masks or {}}
    for name, mask in (masks or {}).items():
        owner, _, tensor = owners[name]
        prune.custom_from_mask(trained.get_submodule(owner), tensor, mask)
    data.cuts = sorted(steps)
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(run.cfg.seed, "dropout"))
        trainer = build_trainer(
            run.cfg, data, callbacks=[_Look(set(steps), look)], logger=False, enable_checkpointing=False
        )
        if may_fuse(run.cfg, module, data, [], trainer):
            module.automatic_optimization, data.fused = False, True
        trainer.fit(module, datamodule=data)
    for owner, _, tensor in owners.values():
        prune.remove(trained.get_submodule(owner), tensor)
    result = copy.deepcopy(net)  # prune.remove leaves parameters in another order
    result.load_state_dict(trained.state_dict())
    return result.eval()


class _Look(L.Callback):
    def __init__(self, steps: set[int], look: Callable[[nn.Module], None] | None) -> None:
        self.steps, self.look = steps, look

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.look is not None and trainer.global_step in self.steps:
            self.look(pl_module.net)  # type: ignore[arg-type]
