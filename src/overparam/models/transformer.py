"""A transformer encoder of any width."""

import math

import torch
from torch import Tensor, nn

from overparam.models.checks import check_positive_integer, check_width
from overparam.ranges import PositiveInt


class Attention(nn.Module):
    """Multi-head self-attention, every token to every one (Vaswani et al. 2017, section 3.2.2).

    softmax(Q K^T / sqrt(e)) V in each of h heads of dimension e = ceil(width / h), joined by a linear layer. So the
    number of heads is the same at any width, and where h divides the width these are the usual heads.

    The matrix of attention is written out, for a fused kernel has no second derivative and no vmap.

    Args:
        width: numbers a token.
        heads: h.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.size = heads, -(-width // heads)
        self.queries_keys_values = nn.Linear(width, 3 * heads * self.size)
        self.join = nn.Linear(heads * self.size, width)

    def forward(self, x: Tensor) -> Tensor:
        """[N, T, width] -> [N, T, width]."""
        of_heads = self.queries_keys_values(x).unflatten(2, (3, self.heads, self.size))  # [N, T, 3, h, e]
        q, k, v = of_heads.permute(2, 0, 3, 1, 4).unbind(0)  # [N, h, T, e]
        shares = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(self.size), dim=3)
        return self.join((shares @ v).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """x + Attention(LN(x)), then x + MLP(LN(x)) with 4 width hidden units and GELU: a layer of ViT and of GPT-2 and 3.

    Args:
        width: numbers a token.
        heads: of the attention.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.activation = nn.GELU()
        self.down = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[N, T, width] -> [N, T, width]."""
        x = x + self.attention(self.norm1(x))
        return x + self.down(self.activation(self.up(self.norm2(x))))


class Transformer(nn.Module):
    """Tokens with learned positions, `depth` blocks, LayerNorm, the mean over the tokens, a linear readout.

    Tokens are the patches of an image, as in ViT (Dosovitskiy et al. 2021); of a vector each number is a token.
    The width is d_model, and the MLP's is 4 d_model, as in the transformers of Nakkiran et al. 2019, who sweep
    d_model at depth 6 and 8 heads. Theirs are encoder-decoders for translation with LayerNorm after each sum; this is
    an encoder, with LayerNorm before, which trains without a warmup (Xiong et al. 2020). No dropout, as theirs.

    With tokens of p numbers, T of them, and i = heads ceil(w / heads),
    P = depth (8 w^2 + 4 i w + 3 i + 10 w) + (p + T + 3 + K) w + K, which is 12 w^2 + 13 w a block if heads divide w.

    Initialization, as in fairseq (Ott et al. 2019): weights U(+-sqrt(6 / (fan_in + fan_out))) (Glorot & Bengio
    2010), positions N(0, 1/w), biases 0, LayerNorm scale 1 and shift 0.

    Args:
        input_shape: (C, H, W), or any other shape, which is flattened to a vector.
        num_outputs: K.
        width: w, numbers a token; any positive integer, see `Attention` on heads that do not divide it.
        depth: blocks.
        heads: attention heads of a block.
        patch: side of a patch in pixels, which must divide H and W; it means nothing for vectors.

    Raises:
        ValueError: for a width, depth, heads or patch that is not a positive integer, or images that patches do not
            cover.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_outputs: int,
        width: PositiveInt,
        depth: PositiveInt = 2,
        heads: PositiveInt = 4,
        patch: PositiveInt = 4,
    ) -> None:
        super().__init__()
        check_width(width)
        for name, value in (("depth", depth), ("heads", heads), ("patch", patch)):
            check_positive_integer(name, value)
        self.patches: tuple[int, int, int] | None = None  # down, across, side
        tokens, size = math.prod(input_shape), 1
        if len(input_shape) == 3:
            channels, height, across = input_shape
            if height % patch or across % patch:
                raise ValueError(
                    f"patch must divide the images' height and width, {height} and {across}, got {patch}"
                )
            self.patches = (height // patch, across // patch, patch)
            tokens, size = self.patches[0] * self.patches[1], channels * patch**2
        self.embed = nn.Linear(size, width)
        self.positions = nn.Parameter(torch.empty(tokens, width))
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.readout = nn.Linear(width, num_outputs)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.positions, std=width**-0.5)

    def tokens(self, x: Tensor) -> Tensor:
        """[N, *input_shape] -> [N, T, p]; a patch's numbers are its channels', row by row."""
        if self.patches is None:
            return x.flatten(1).unsqueeze(2)
        down, across, side = self.patches
        cut = x.unflatten(2, (down, side)).unflatten(4, (across, side))  # [N, C, down, side, across, side]
        return cut.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """[N, *input_shape] -> [N, num_outputs]."""
        hidden = self.blocks(self.embed(self.tokens(x)) + self.positions)
        return self.readout(self.norm(hidden).mean(1))
