"""Networks of one family, of equal or different width, as one network with a leading member axis."""

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap

from overparam.models.mlp import MLP

ELEMENTWISE = (nn.Identity, nn.ReLU, nn.GELU, nn.Tanh)


class Stack(nn.Module):
    """M networks whose parameters and buffers are held together, [M, *shape], narrower ones padded with zeros.

    A member fills the leading corner of its slice. Where a network's units start at zero in and out weights
    (see `exact.padding_is_exact`), the padding receives exactly zero gradient and stays zero.

    An MLP runs as batched matrix products with the samples in the last axis: measured on a CPU, that is 3 to
    5 times faster at small widths than the samples-first layout, whose softmax over a short last axis is slow.
    Any other network runs through `torch.func.vmap`.

    Args:
        nets: the members' networks; the one with the most parameters is what the others are padded to.
    """

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        super().__init__()
        widest = max(nets, key=lambda net: sum(p.numel() for p in net.parameters()))
        base = copy.deepcopy(widest).to("meta")
        self._base = [base]  # in a list, so that its parameters are not taken for this module's
        self._keys = list(base.state_dict())
        self._shapes = [{k: v.shape for k, v in net.state_dict(keep_vars=True).items()} for net in nets]
        self._trained = [name for name, p in base.named_parameters() if p.requires_grad]
        for name, parameter in base.named_parameters():
            values = [pad(net.get_parameter(name).detach(), parameter.shape) for net in nets]
            stacked = nn.Parameter(torch.stack(values), requires_grad=parameter.requires_grad)
            self.register_parameter(_flat(name), stacked)
        for name, buffer in base.named_buffers():
            values = [pad(net.get_buffer(name), buffer.shape) for net in nets]
            self.register_buffer(_flat(name), torch.stack(values))
        self._layers = batched_layers(base)

    def __len__(self) -> int:
        return len(self._shapes)

    @property
    def is_batched(self) -> bool:
        """Whether the members run as batched matrix products."""
        return self._layers is not None

    def tensor(self, name: str) -> Tensor:
        """Return the stacked parameter or buffer [M, *shape] that a member's network calls `name`."""
        return getattr(self, _flat(name))

    def trained(self) -> list[Tensor]:
        """Return the trainable parameters, in the order of the member's own `parameters()`."""
        return [self.tensor(name) for name in self._trained]

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs [M, K, B] for inputs [M, B, *input_shape]."""
        if self._layers is not None:
            return self._run_batched(x, self._layers)
        (base,) = self._base
        base.train(self.training)
        names = [name for name, _ in (*base.named_parameters(), *base.named_buffers())]
        state = {name: self.tensor(name) for name in names}
        # A network that draws random numbers would not draw what its members draw alone: vmap refuses it.
        call = vmap(lambda state, x: functional_call(base, state, (x,)), randomness="error")
        return call(state, x).transpose(1, 2)

    def _run_batched(self, x: Tensor, layers: list[tuple[str, nn.Module]]) -> Tensor:
        hidden = x.flatten(2).transpose(1, 2)  # [M, d, B]
        for name, layer in layers:
            if isinstance(layer, nn.Linear):
                weight = self.tensor(f"{name}.weight")
                bias = self.tensor(f"{name}.bias").unsqueeze(2)
                hidden = torch.baddbmm(bias, weight, hidden)
            elif isinstance(layer, nn.BatchNorm1d):
                hidden = self._batch_norm(name, layer, hidden)
            elif not isinstance(layer, nn.Flatten):
                hidden = layer(hidden)
        return hidden

    def _batch_norm(self, name: str, layer: nn.BatchNorm1d, hidden: Tensor) -> Tensor:
        if self.training:
            self.tensor(f"{name}.num_batches_tracked").add_(1)
        assert layer.momentum is not None
        flat = (
            self.tensor(f"{name}.{key}").view(-1) for key in ("running_mean", "running_var", "weight", "bias")
        )
        mean, variance, weight, bias = flat
        # M networks of H units are one of M H units, and the samples are its last axis.
        normalized = F.batch_norm(
            hidden.flatten(0, 1).unsqueeze(0),
            mean,
            variance,
            weight,
            bias,
            self.training,
            layer.momentum,
            layer.eps,
        )
        return normalized.view(hidden.shape)

    def member_state(self, member: int) -> dict[str, Tensor]:
        """Return the member's `state_dict`, without padding."""
        shapes = self._shapes[member]
        return {key: corner(self.tensor(key)[member], shapes[key]).clone() for key in self._keys}

    def member_shapes(self, member: int) -> list[torch.Size]:
        """Return the shapes of the member's trainable parameters, in the order of its `parameters()`."""
        return [self._shapes[member][name] for name in self._trained]

    @torch.no_grad()
    def load_member(self, member: int, state: dict[str, Tensor]) -> None:
        """Set the member's parameters and buffers from its `state_dict`."""
        for key in self._keys:
            whole = self.tensor(key)
            whole[member] = pad(state[key].to(whole), whole.shape[1:])


def pad(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """Return `tensor` in the leading corner of zeros of `shape`."""
    missing = [new - old for new, old in zip(shape, tensor.shape, strict=True)]
    if not any(missing):
        return tensor
    return F.pad(tensor, [side for amount in reversed(missing) for side in (0, amount)])


def corner(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the leading corner of `shape`: what `pad` was given."""
    return tensor[tuple(slice(size) for size in shape)]


def _flat(name: str) -> str:
    return name.replace(".", "/")  # a module may not register a name with a dot in it


def batched_layers(net: nn.Module) -> list[tuple[str, nn.Module]] | None:
    """Return an MLP's layers by name if batched matrix products can run every one of them, else None."""
    if type(net) is not MLP:
        return None
    layers = [(f"layers.{name}", layer) for name, layer in net.layers.named_children()]
    return layers if all(_is_batched(layer) for _, layer in layers) else None


def _is_batched(layer: nn.Module) -> bool:
    if type(layer) is nn.BatchNorm1d:
        return layer.affine and layer.track_running_stats and layer.momentum is not None
    return type(layer) in (nn.Flatten, nn.Linear, *ELEMENTWISE)
