"""The LightningModule that trains any network of the lab, and that a training rule of one's own subclasses."""

import os
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, fully_shard

from overparam import compat
from overparam.ranges import PositiveFloat
from overparam.training.objective import Loss, mean_loss

# Lightning makes torch, which asks at every optimizer step whether there is a GPU, load a driver's library to find out.
# Where there is none to load, that takes a small network a tenth of its step.
if not torch.cuda.is_available():
    os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)

NEVER = 2**62  # frequency of a schedule that Lightning only saves and loads: the evaluation steps it


class SupervisedModule(L.LightningModule):
    """Trains `net` on batches x [B, *input_shape] and y [B] (classes) or [B, K] (targets).

    A training rule overrides `training_loss`; where that is not enough, `training_step`, as in any LightningModule.

    Args:
        net: the network, [N, *input_shape] -> [N, K].
        loss: from outputs [N, K] and y to losses [N].
        optimizer: makes the optimizer from the list of trainable parameters, or from `net=` if it takes that.
        scheduler: makes a learning-rate schedule, counted in steps, from the optimizer; None is constant. One with a
            keyword `monitor` is stepped at every evaluation with the metric of that name.
        clip_norm: largest gradient norm; None does not clip.
        compile: whether forward and backward run through torch.compile; `net` itself stays as it is.
    """

    def __init__(
        self,
        net: nn.Module,
        loss: Loss,
        optimizer: Callable[..., torch.optim.Optimizer],
        scheduler: Callable[..., Any] | None = None,
        clip_norm: PositiveFloat | None = None,
        compile: bool = False,
    ) -> None:
        super().__init__()
        self.net, self.loss, self.clip_norm = net, loss, clip_norm
        self._make_optimizer, self._make_scheduler = optimizer, scheduler
        self._compiled = torch.compile(net.forward) if compile else None

    def configure_model(self) -> None:
        """Under trainer=fsdp, shard the parameters: each layer or block of a Sequential is gathered for its turn."""
        if self.device_mesh is None or isinstance(self.net, FSDPModule):
            return
        mesh = self.device_mesh["data_parallel"]
        for stage in [module for module in self.net.modules() if isinstance(module, nn.Sequential)]:
            for block in stage:
                if not isinstance(block, nn.Sequential) and any(True for _ in block.parameters()):
                    fully_shard(block, mesh=mesh)
        fully_shard(self.net, mesh=mesh)

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs [N, K] for inputs [N, *input_shape] of any floating type."""
        if not x.is_floating_point():
            raise TypeError(f"inputs must be floating, got {x.dtype}: take images through Split.inputs")
        return (self._compiled or self.net)(x.to(self.dtype))

    def training_loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Return what a step minimizes, a scalar: the mean loss of the batch."""
        return mean_loss(self.loss, self(x), y)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """Return the training loss of a batch; of a fused batch of S batches, take S optimizer steps."""
        if not self.automatic_optimization:
            return self._fused_steps(*batch)
        return self.training_loss(*batch)

    def _fused_steps(self, xs: Tensor, ys: Tensor) -> None:
        """Do what Lightning does with each of S batches [S, B, ...], without what it costs a small network."""
        optimizer: Any = self.optimizers(use_pl_optimizer=False)
        scheduler: Any = self.lr_schedulers()
        for x, y in zip(xs, ys, strict=True):
            optimizer.zero_grad()
            self.training_loss(x, y).backward()
            self.on_before_optimizer_step(optimizer)
            optimizer.step()
            compat.count_manual_step(self.trainer)
            if scheduler is not None:
                scheduler.step()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradients, which are not scaled here whatever the precision."""
        if self.clip_norm is not None:
            self.clip_gradients(optimizer, self.clip_norm, gradient_clip_algorithm="norm")

    def configure_optimizers(self) -> Any:
        """Build the optimizer over the trainable parameters, and the schedule if there is one."""
        optimizer = make_optimizer(self._make_optimizer, self.net, self)
        if self._make_scheduler is None:
            return optimizer
        schedule, monitor = make_schedule(self._make_scheduler, optimizer)
        if monitor is None:
            return [optimizer], [{"scheduler": schedule, "interval": "step"}]
        plateau = {"scheduler": schedule, "monitor": monitor, "reduce_on_plateau": True}
        return [optimizer], [{**plateau, "interval": "step", "frequency": NEVER}]


def make_optimizer(
    make: Callable[..., torch.optim.Optimizer], net: nn.Module, module: nn.Module | None = None
) -> Any:
    """Return an optimizer of a network, or of all parameters of the module that has it.

    Args:
        make: takes `net`, or the list of trainable parameters.
        net: the network.
        module: has further parameters; None if there are none.
    """
    if "net" in compat.parameter_names(make):
        return make(net=net)
    return make([p for p in (module or net).parameters() if p.requires_grad])


def make_schedule(make: Callable[..., Any], optimizer: torch.optim.Optimizer) -> tuple[Any, str | None]:
    """Return a schedule of `optimizer`, and the name of the metric that it is stepped with, if it needs one.

    Schedules that are knobs of `make`, as those of a SequentialLR, are made too.
    """
    if not hasattr(make, "keywords"):
        return make(optimizer), None

    def made(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [made(item) for item in value]
        return make_schedule(value, optimizer)[0] if hasattr(value, "keywords") else value

    knobs = {key: made(value) for key, value in make.keywords.items()}
    monitor = knobs.pop("monitor", None)
    return make.func(optimizer, *make.args, **knobs), monitor  # type: ignore[attr-defined]
