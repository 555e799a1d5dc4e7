"""MLPs of any widths side by side: as few and as large matrix products as their shapes allow."""

from collections.abc import Mapping, Sequence
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from overparam.models.mlp import MLP, ScaledLinear
from overparam.packs.products import OwnUnits, Shapes, SharedInputs

ELEMENTWISE = (nn.Identity, nn.ReLU, nn.GELU, nn.Tanh)


def runs_side_by_side(net: nn.Module) -> bool:
    """Return whether `SideBySide` can run `net` beside others of its kind."""
    return type(net) is MLP and all(_is_known(layer) for layer in net.layers)


def _is_known(layer: nn.Module) -> bool:
    if type(layer) is nn.BatchNorm1d:
        return layer.affine and layer.track_running_stats and layer.momentum is not None
    return type(layer) in (nn.Flatten, nn.Linear, ScaledLinear, *ELEMENTWISE)


class SideBySide(nn.Module):
    """Runs R rows of C MLPs each; a row's MLPs see the same inputs, and every row has the same C widths.

    The units of a row stand side by side in one tensor [R, units, B], samples in the last axis. The first layer
    of a whole row is then one matrix product, since its MLPs share their inputs; the others are one for each
    distinct width. Nothing is padded.

    Args:
        nets: the MLPs of a row, equal widths next to each other; only their shapes and constants are used.
    """

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        super().__init__()
        columns = [list(net.get_submodule("layers").named_children()) for net in nets]
        if len({tuple((name, type(layer)) for name, layer in column) for column in columns}) > 1:
            raise ValueError("these networks differ in more than their width")
        self.columns = len(nets)
        # Each layer's name, that of the first MLP, and the shapes of all. In a list, so that the layers are not
        # taken for this module's.
        self._layers: list[tuple[str, nn.Module, Shapes]] = []
        for same in zip(*columns, strict=True):
            name, layers = f"layers.{same[0][0]}", [layer for _, layer in same]
            self._layers.append((name, layers[0], _shapes(layers)))
            if isinstance(layers[0], ScaledLinear):  # scale W x + bias_scale b, as one factor a number
                sizes = torch.tensor([layer.weight.numel() for layer in layers])
                scales = torch.tensor([layer.scale for layer in layers], dtype=torch.float64)
                outputs = torch.tensor([layer.out_features for layer in layers])
                biases = torch.tensor([layer.bias_scale for layer in layers], dtype=torch.float64)
                self._keep(f"{name}.weight", scales.repeat_interleave(sizes))
                self._keep(f"{name}.bias", biases.repeat_interleave(outputs))

    def _keep(self, name: str, factors: Tensor) -> None:
        self.register_buffer(name.replace(".", "/"), factors, persistent=False)

    def forward(self, x: Tensor, numbers: Mapping[str, Tensor]) -> Tensor:
        """Return outputs [R * C, K, B], row by row.

        Args:
            x: inputs [R, B, *input_shape], of any floating type.
            numbers: each parameter and buffer by its name in an MLP, [R, numbers of all columns]; running
                statistics are updated in place.
        """
        hidden, is_shared, rectified = x.flatten(2).mT, True, False  # [R, d, B]
        following = [type(layer) for _, layer, _ in self._layers[1:]]
        for (name, layer, shapes), after in zip(self._layers, [*following, None], strict=True):
            if isinstance(layer, nn.Linear):
                weight = self._scaled(f"{name}.weight", numbers)
                bias = self._scaled(f"{name}.bias", numbers)
                rectify = after is nn.ReLU
                if is_shared:
                    weight = weight.reshape(len(x), -1, layer.in_features)
                    hidden = SharedInputs.apply(weight, bias, hidden.mT, rectify)
                else:
                    hidden = OwnUnits.apply(weight, bias, hidden, shapes, rectified, rectify)
                is_shared, rectified = False, rectify
            elif isinstance(layer, nn.BatchNorm1d):
                hidden = self._batch_norm(name, layer, numbers, hidden)
            elif isinstance(layer, nn.ReLU) and not is_shared:
                hidden = hidden if rectified else hidden.relu_()  # no gradient needs what a norm returned
            elif not isinstance(layer, nn.Flatten):
                hidden = layer(hidden)
        return hidden.reshape(len(x) * self.columns, -1, hidden.shape[2])

    def _scaled(self, name: str, numbers: Mapping[str, Tensor]) -> Tensor:
        factors = self._buffers.get(name.replace(".", "/"))
        return numbers[name] if factors is None else numbers[name] * factors.to(numbers[name])

    def _batch_norm(
        self, name: str, layer: nn.BatchNorm1d, numbers: Mapping[str, Tensor], hidden: Tensor
    ) -> Tensor:
        if self.training:
            numbers[f"{name}.num_batches_tracked"].add_(1)
        assert layer.momentum is not None
        mean, variance = (numbers[f"{name}.{key}"].view(-1) for key in ("running_mean", "running_var"))
        weight, bias = (numbers[f"{name}.{key}"].reshape(-1) for key in ("weight", "bias"))
        normalized = F.batch_norm(
            hidden.flatten(0, 1).unsqueeze(0),  # one network of all units, the samples in its last axis
            *(mean, variance, weight, bias),
            self.training,
            layer.momentum,
            layer.eps,
        )
        return normalized.view(hidden.shape)


def _shapes(layers: Sequence[nn.Module]) -> Shapes:
    of_each = (layer.weight.shape for layer in layers if isinstance(layer, nn.Linear))
    return [(len(list(same)), *shape) for shape, same in groupby(of_each)]
