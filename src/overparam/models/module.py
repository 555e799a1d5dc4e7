"""The LightningModule that trains any network of the lab."""

from collections.abc import Callable
from typing import Any, Literal

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn

Loss = Literal["cross_entropy", "mse"]


def per_sample_loss(name: Loss, outputs: Tensor, y: Tensor) -> Tensor:
    """Return the loss [N] of outputs [N, K]: cross entropy, or the squared error averaged over the K outputs.

    With integer classes y [N] the squared error is against one-hot targets (Belkin et al. 2019).
    """
    if name == "cross_entropy":
        return F.cross_entropy(outputs, y, reduction="none")
    target = y if y.is_floating_point() else F.one_hot(y, outputs.shape[1])
    return (outputs - target.to(outputs.dtype)).square().mean(1)


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

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs [N, K] for inputs [N, *input_shape] of any floating type."""
        if not x.is_floating_point():
            raise TypeError(f"inputs must be floating, got {x.dtype}: take images through Split.inputs")
        return (self._compiled or self.net)(x.to(self.dtype))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Take one optimizer step for each of the chunk's S batches."""
        optimizer: Any = self.optimizers()
        scheduler: Any = self.lr_schedulers()
        for x, y in zip(*batch, strict=True):
            optimizer.zero_grad()
            self.manual_backward(per_sample_loss(self.loss, self(x), y).mean())
            if self.clip_norm is not None:
                self.clip_gradients(optimizer, self.clip_norm, gradient_clip_algorithm="norm")
            optimizer.step()
            if scheduler is not None:
                scheduler.step()

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
