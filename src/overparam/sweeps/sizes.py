"""What well-known networks measure, counted on the networks themselves, without memory for them."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torchvision
from rich.console import Console
from rich.table import Table
from torch import Tensor, fx, nn
from torch.utils.flop_counter import FlopCounterMode

from overparam import compat
from overparam.models.parameters import count_parameters, without_memory
from overparam.models.transformer import Block
from overparam.sweeps.plan import short

WEIGHTED = (nn.Conv2d, nn.Linear)
IMAGE = (3, 224, 224)
CONTEXT = 2048  # tokens
WIDE = 105  # columns of a terminal that has room beside the numbers


@dataclass(frozen=True)
class Size:
    """The size of a network.

    Depth is the number of layers with weights (convolutions and linear layers) on the longest path from input to
    output: those of shortcuts run beside it. Width is the number of channels, or units, that such a layer gives;
    the readout has none.
    """

    name: str
    params: int  # P, trainable parameters
    flops: int  # of matrix products and convolutions in a forward pass of one sample; a multiply-add counts as two
    weights_bytes: int  # of parameters and buffers, in float32
    training_bytes: int  # weights, gradients, Adam's two moments, and what one sample's backward pass needs
    depth: int
    mean_width: float  # over the layers of the longest path
    most_width: int  # of all layers


class GPT3(nn.Module):
    """A decoder of the shape of GPT-3 (Brown et al. 2020, table 2.1): 96 blocks, d_model 12288, 96 heads.

    Token and position embeddings, blocks, LayerNorm, and the token embedding again as readout, which gives a
    distribution over the next token after each one. Attention is dense and its mask is left out, which the counts do
    not see: GPT-3's is sparse in every other block.

    Args:
        width: d_model.
        depth: blocks.
        heads: of each block.
        vocabulary: tokens there are.
        context: tokens of a sample.
    """

    def __init__(
        self,
        width: int = 12288,
        depth: int = 96,
        heads: int = 96,
        vocabulary: int = 50257,
        context: int = CONTEXT,
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.zeros(context, width))
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.readout = nn.Linear(width, vocabulary, bias=False)
        self.readout.weight = self.embed.weight

    def forward(self, x: Tensor) -> Tensor:
        """[N, context] tokens, as numbers of any type -> [N, context, vocabulary]."""
        return self.readout(self.norm(self.blocks(self.embed(x.long()) + self.positions)))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "AlexNet": (torchvision.models.alexnet, IMAGE),
    "VGG-16": (torchvision.models.vgg16, IMAGE),
    "ResNet-50": (torchvision.models.resnet50, IMAGE),
    "WRN-50-2": (torchvision.models.wide_resnet50_2, IMAGE),
    "EfficientNet-B0": (torchvision.models.efficientnet_b0, IMAGE),
    "GPT-3-like transformer": (GPT3, (CONTEXT,)),
}


def size(name: str, build: Callable[[], nn.Module], input_shape: tuple[int, ...]) -> Size:
    """Return the size of the network that `build` makes; nothing of it is held in memory."""
    net = without_memory(build).train()
    saved: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        saved[compat.storage_id(tensor)] = tensor.untyped_storage().nbytes()
        return tensor

    with (
        FlopCounterMode(display=False) as counter,
        torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t),
    ):
        outputs = net(torch.empty(1, *input_shape, device="meta"))  # which holds what is saved
    stored = {compat.storage_id(t): t.untyped_storage().nbytes() for t in [*net.parameters(), *net.buffers()]}
    activations = sum(count for storage, count in saved.items() if storage not in stored)
    layers = longest_path(net)
    *hidden, _ = [_width(layer) for layer in layers]
    every = [
        _width(layer) for layer in net.modules() if isinstance(layer, WEIGHTED) and layer is not layers[-1]
    ]
    params = count_parameters(net)
    return Size(
        name=name,
        params=params,
        flops=counter.get_total_flops(),
        weights_bytes=sum(stored.values()),
        training_bytes=sum(stored.values()) + 3 * 4 * params + activations + outputs.nbytes,
        depth=len(layers),
        mean_width=sum(hidden) / len(hidden),
        most_width=max(every),
    )


def longest_path(net: nn.Module) -> list[nn.Module]:
    """Return the layers with weights along the path through a network, from `torch.fx`, that has the most of them."""
    modules = dict(net.named_modules())
    paths: dict[fx.Node, list[nn.Module]] = {}
    for node in _Layers().trace(net).nodes:
        before = max((paths[source] for source in node.all_input_nodes), key=len, default=[])
        layer = modules.get(str(node.target)) if node.op == "call_module" else None
        paths[node] = [*before, layer] if isinstance(layer, WEIGHTED) else before
    return paths[node]  # the last is the output


def show(sizes: list[Size]) -> None:
    """Print the sizes as one table, and what its columns mean."""
    console = Console(soft_wrap=True, highlight=False)
    heads = ("network", "P", "FLOPs", "weights", "training", "depth", "mean width", "widest")
    table = Table(*heads, padding=(0, int(console.width >= WIDE)))
    for column in table.columns[1:]:
        column.no_wrap = True
    for row in sizes:
        memory = [short(value) + "B" for value in (row.weights_bytes, row.training_bytes)]
        widths = (str(row.depth), f"{row.mean_width:,.0f}", f"{row.most_width:,}")
        table.add_row(row.name, f"{row.params:,}", short(row.flops), *memory, *widths)
    wide = console.options.update(width=9999)
    console.width = max(console.width, console.measure(table, options=wide).minimum)
    console.print(table)
    console.print(
        "FLOPs: a forward pass of one sample, an image of 224x224 pixels or 2048 tokens; a multiply-add counts as two\n"
        "weights: memory in float32; training: with gradients, Adam's moments and one sample's activations\n"
        "depth: layers with weights on the longest path, four in each of GPT-3's 96 blocks\n"
        "width: channels or units of a layer, the readout's left out; GPT-3's d_model is 12,288"
    )


def report() -> None:
    """Print the sizes of `NETWORKS`."""
    show([size(name, *made) for name, made in NETWORKS.items()])


class _Layers(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not list(m.children())


def _width(layer: nn.Module) -> int:
    assert isinstance(layer, WEIGHTED)
    return len(layer.weight)
