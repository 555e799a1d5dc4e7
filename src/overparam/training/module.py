"""The LightningModule that trains any network of the lab."""

import os
from collections.abc import Callable
from typing import Any, Literal

import lightning as L
import torch
import torch.nn.functional as F
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, fully_shard

Loss = Literal["cross_entropy", "mse"]
# What a callback can do inside a step.
STEP_HOOKS = ("on_before_backward", "on_after_backward", "on_before_optimizer_step")

# Lightning makes torch, which asks at every optimizer step whether there is a GPU, load a driver's library to find out.
# Where there is none to load, that takes a small network a tenth of its step.
if not torch.cuda.is_available():
    os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)


def per_sample_loss(name: Loss, outputs: Tensor, y: Tensor) -> Tensor:
    """Return the loss [N] of outputs [N, K]: cross entropy, or the squared error averaged over the K outputs.

    With integer classes y [N] the squared error is against one-hot targets (Belkin et al. 2019).
    """
    if name == "cross_entropy":
        return F.cross_entropy(outputs, y, reduction="none")
    target = y if y.is_floating_point() else F.one_hot(y, outputs.shape[1])
    return (outputs - target.to(outputs.dtype)).square().mean(1)


def mean_loss(name: Loss, outputs: Tensor, y: Tensor) -> Tensor:
    """Return the mean of `per_sample_loss`; the gradient is that of the mean, bit for bit."""
    if name == "cross_entropy":
        return F.cross_entropy(outputs, y)  # one kernel each way, not two
    return per_sample_loss(name, outputs, y).mean()


def needs_lightning(trainer: L.Trainer) -> bool:
    """Return whether a step must go through Lightning's wrappers, which cost a small network a tenth of its step.

    They average gradients over processes, scale the loss for 16-bit gradients, and call callbacks inside a step.
    """
    return (
        type(trainer.strategy) is not SingleDeviceStrategy
        or getattr(trainer.precision_plugin, "scaler", None) is not None
        or any(
            getattr(type(callback), hook) is not getattr(L.Callback, hook)
            for callback in trainer.callbacks  # type: ignore[attr-defined]
            for hook in STEP_HOOKS
        )
    )


class SupervisedModule(L.LightningModule):
    """Trains `net` by a gradient method on chunks of batches, without a host-device sync inside a step.

    A Lightning "batch" here is a chunk of S consecutive steps, x [S, B, *shape] and y [S, B, ...]: the
    Trainer's bookkeeping is then paid once in S steps. `trainer.global_step` counts optimizer steps.

    Args:
        net: the network, [N, *input_shape] -> [N, K].
        loss: "cross_entropy" or "mse".
        optimizer: makes the optimizer from the parameters.
        scheduler: makes a learning-rate schedule, counted in steps, from the optimizer; None is constant.
        clip_norm: largest gradient norm; None does not clip.
        compile: whether forward and backward run through torch.compile; `net` itself stays as it is.
    """

    def __init__(
        self,
        net: nn.Module,
        loss: Loss,
        optimizer: Callable[..., torch.optim.Optimizer],
        scheduler: Callable[..., torch.optim.lr_scheduler.LRScheduler] | None = None,
        clip_norm: float | None = None,
        compile: bool = False,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
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

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Take one optimizer step for each of the chunk's S batches."""
        wrapped = needs_lightning(self.trainer)
        optimizer: Any = self.optimizers(use_pl_optimizer=wrapped)
        scheduler: Any = self.lr_schedulers()
        steps_taken = self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
        for x, y in zip(*batch, strict=True):
            optimizer.zero_grad()
            loss = mean_loss(self.loss, self(x), y)
            if wrapped:
                self.manual_backward(loss)
                optimizer.step()
            else:
                loss.backward()
                self.on_before_optimizer_step(optimizer)
                optimizer.step()
                steps_taken.increment_by(1)
            if scheduler is not None:
                scheduler.step()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradients, which are not scaled here whatever the precision."""
        if self.clip_norm is not None:
            self.clip_gradients(optimizer, self.clip_norm, gradient_clip_algorithm="norm")

    def configure_optimizers(self) -> Any:
        """Build the optimizer over the trainable parameters, and the schedule if there is one."""
        optimizer = self._make_optimizer([p for p in self.parameters() if p.requires_grad])
        if self._make_scheduler is None:
            return optimizer
        return [optimizer], [self._make_scheduler(optimizer)]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the state of the global generators, which dropout draws from."""
        checkpoint["rng"] = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continue the global generators where the checkpoint left them."""
        torch.set_rng_state(checkpoint["rng"]["cpu"])
        if len(checkpoint["rng"]["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(checkpoint["rng"]["cuda"])
