"""Training again as a run was trained: from other weights, with masks, or with a function called on the way."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lightning.pytorch.callbacks import LambdaCallback
from torch import Tensor, nn
from torch.nn.utils import prune

from overparam.errors import ConfigError
from overparam.randomness import derive_seed, drawing
from overparam.training.build import build_trainer
from overparam.training.finished import FinishedRun
from overparam.training.fused import may_fuse


def retrain(
    run: FinishedRun,
    net: nn.Module,
    masks: Mapping[str, Tensor] | None = None,
    steps: Sequence[int] = (),
    call: Callable[[nn.Module], None] | None = None,
) -> nn.Module:
    """Train `net` as the run was trained, and return the result in eval mode.

    Optimizer, schedule, batches, augmentation, dropout and precision are the run's: from its own initial weights
    the result is the run's own, bit for bit on a CPU.

    Args:
        run: the run to repeat.
        net: a network of the run's shape; it is not changed.
        masks: parameter name -> zeros and ones; masked weights stay zero.
        steps: steps after which `call` is called with the network in training.
        call: must not change the network.

    Raises:
        ConfigError: if the run's training depends on evaluations or callbacks, which are not repeated here.
    """
    module, data = run.parts.build_module(), run.parts.data
    datamodule: Any = getattr(data, "datamodule", data)
    _check_repeatable(run, module)
    trained = module.net = copy.deepcopy(net).train()
    owners = {name: name.rpartition(".") for name in masks or {}}
    for name, mask in (masks or {}).items():
        owner, _, tensor = owners[name]
        prune.custom_from_mask(trained.get_submodule(owner), tensor, mask)

    def after_step(trainer: Any, *_: Any) -> None:
        if call is not None and trainer.global_step in steps:
            call(trained)

    callbacks = [LambdaCallback(on_train_batch_end=after_step)]
    trainer = build_trainer(run.cfg, data, callbacks=callbacks, logger=False, enable_checkpointing=False)
    with drawing(derive_seed(run.cfg.seed, "dropout"), trainer.strategy.root_device):
        if may_fuse(run.cfg, module, data, [], trainer):
            module.automatic_optimization = False
            datamodule.fused, datamodule.cuts = True, sorted(steps)
        trainer.fit(module, datamodule=datamodule)
    for owner, _, tensor in owners.values():
        prune.remove(trained.get_submodule(owner), tensor)
    result = copy.deepcopy(net)  # prune.remove leaves parameters in another order
    result.load_state_dict(trained.state_dict())
    return result.eval()


def _check_repeatable(run: FinishedRun, module: Any) -> None:
    for what, is_there in (
        ("callbacks", run.cfg.get("callbacks")),
        ("a scheduler with a monitor", "monitor" in (run.cfg.get("scheduler") or {})),
        ("a module without a `net`", not isinstance(getattr(module, "net", None), nn.Module)),
    ):
        if is_there:
            raise ConfigError(f"a study that trains again does not support {what}, as {run.identity} has")
