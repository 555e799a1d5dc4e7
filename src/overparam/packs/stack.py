"""Networks of one family, of equal or different width, as one network with a leading row axis."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from overparam.packs.side_by_side import SideBySide, runs_side_by_side


class Stack(nn.Module):
    """M networks in R rows of C columns, member m in row m // C and column m % C.

    All trainable numbers are one parameter, `flat` [R, size of a row]: of each of the networks' parameters in
    turn, the numbers of every column. So an optimizer updates all members, or rows of them, in one call.

    MLPs run side by side (see `SideBySide`): the columns of a row share their inputs and may differ in width.
    Any other network is a row by itself and runs through `torch.func.vmap`; narrower ones are padded to the
    shapes of the widest, of which a member fills the leading corner. Where units start at zero in and out
    weights (see `exact.padding_is_exact`), the padding receives exactly zero gradient and stays zero.

    Args:
        nets: the members' networks, row by row; every row has the same columns.
        rows: R.
    """

    def __init__(self, nets: Sequence[nn.Module], rows: int) -> None:
        super().__init__()
        self.rows, self.columns = rows, len(nets) // rows
        widest = max(nets, key=lambda net: sum(p.numel() for p in net.parameters()))
        base = copy.deepcopy(widest).to("meta")
        self._base = [base]  # in a list, so that its parameters are not taken for this module's
        self._side_by_side = SideBySide(nets[: self.columns]) if runs_side_by_side(widest) else None
        if self._side_by_side is None and self.columns > 1:
            raise ValueError(f"{type(widest).__name__}s do not run side by side: each is a row")
        models = [base] if self._side_by_side is None else nets[: self.columns]
        self._wholes = [{name: tensor.shape for name, tensor in _tensors(net).items()} for net in models]
        self._own = [{name: tensor.shape for name, tensor in _tensors(net).items()} for net in nets]
        if any(own.keys() != self._wholes[0].keys() for own in self._own):
            raise ValueError("these networks differ in more than their width")
        self._keys = list(base.state_dict())
        self.trained = [name for name, p in base.named_parameters() if p.requires_grad]
        others = [name for name in self._wholes[0] if name not in self.trained]
        self._sizes = [self._width(name) for name in self.trained]
        # Where a member's numbers start, by column and name: in a row of `flat`, or of the buffer of that name.
        self._starts: list[dict[str, int]] = [{} for _ in models]
        self._lay_out(self.trained)
        for name in others:
            self._lay_out([name])
        example = _tensors(widest)
        self.flat = nn.Parameter(example[self.trained[0]].new_zeros(rows, sum(self._sizes)))
        for name in others:
            self.register_buffer(_flat(name), example[name].new_zeros(rows, self._width(name)))
        for member, net in enumerate(nets):
            self.load_member(member, _tensors(net))

    @property
    def is_side_by_side(self) -> bool:
        """Whether the members run side by side, and not through vmap."""
        return self._side_by_side is not None

    def _lay_out(self, names: Sequence[str]) -> None:
        start = 0
        for name in names:
            for starts, wholes in zip(self._starts, self._wholes, strict=True):
                starts[name] = start
                start += wholes[name].numel()

    def __len__(self) -> int:
        return len(self._own)

    def _width(self, name: str) -> int:
        return sum(wholes[name].numel() for wholes in self._wholes)

    def numbers(self) -> dict[str, Tensor]:
        """Return each of the networks' parameters and buffers, [R, numbers of all columns]."""
        pieces = dict(zip(self.trained, self.flat.split(self._sizes, 1), strict=True))
        return pieces | {name: getattr(self, _flat(name)) for name in self._wholes[0] if name not in pieces}

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs [M, K, B] for inputs [R, B, *input_shape]."""
        if self._side_by_side is not None:
            return self._side_by_side(x, self.numbers())
        (base,) = self._base
        base.train(self.training)
        (wholes,) = self._wholes
        state = {name: piece.view(self.rows, *wholes[name]) for name, piece in self.numbers().items()}
        # A network that draws random numbers would not draw what its members draw alone: vmap refuses it.
        call = vmap(lambda state, x: functional_call(base, state, (x,)), randomness="error")
        return call(state, x).transpose(1, 2)

    def take(self, row: Tensor, member: int, name: str) -> Tensor:
        """Return the member's part, in its own shape, of a row [size] of `flat`, of its buffers or of their like."""
        whole, start = self._place(member, name)
        return corner(row[start : start + whole.numel()].view(whole), self._own[member][name])

    def _place(self, member: int, name: str) -> tuple[torch.Size, int]:
        column = member % self.columns
        return self._wholes[column][name], self._starts[column][name]

    def _row(self, member: int, name: str) -> Tensor:
        return (self.flat if name in self.trained else getattr(self, _flat(name)))[member // self.columns]

    def member_state(self, member: int) -> dict[str, Tensor]:
        """Return the member's `state_dict`, without padding."""
        return {
            name: self.take(self._row(member, name), member, name).detach().clone() for name in self._keys
        }

    @torch.no_grad()
    def load_member(self, member: int, state: dict[str, Tensor]) -> None:
        """Set the member's parameters and buffers from tensors of its own shapes."""
        for name, value in state.items():
            self.take(self._row(member, name), member, name).copy_(value)

    def columns_of_numbers(self) -> Tensor:
        """Return the column that each number of a row of `flat` belongs to, [size of a row]."""
        counts = [wholes[name].numel() for name in self.trained for wholes in self._wholes]
        columns = torch.arange(self.columns).repeat(len(self.trained))
        return columns.repeat_interleave(torch.tensor(counts))


def _tensors(net: nn.Module) -> dict[str, Tensor]:
    named = (*net.named_parameters(), *net.named_buffers())
    return {name: tensor.detach() for name, tensor in named}


def corner(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the leading corner of `shape`."""
    return tensor[tuple(slice(size) for size in shape)]


def _flat(name: str) -> str:
    return name.replace(".", "/")  # a module may not register a name with a dot in it
