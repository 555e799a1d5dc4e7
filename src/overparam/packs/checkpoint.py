"""A pack's checkpoint: one file a member, each the one its run alone would have written.

So nothing of a pack outlives it: what is left of a killed pack may be trained as another pack, or one by one.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from torch import Tensor

from overparam.packs.module import PackModule
from overparam.packs.stack import corner, pad

# What a schedule keeps for each parameter group.
PER_GROUP = ("base_lrs", "_last_lr", "lr_lambdas")


class MemberCheckpoints(TorchCheckpointIO):
    """Splits the Trainer's checkpoint into its members' on saving, and joins them on loading.

    Args:
        module: the pack.
        files: where the members' checkpoints stand.
        is_alive: tells of a member whether it is still to be saved.
    """

    def __init__(self, module: PackModule, files: Sequence[Path], is_alive: Callable[[int], bool]) -> None:
        super().__init__()
        self.module, self.files, self.is_alive = module, list(files), is_alive

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write every member's file; each is complete whenever it exists."""
        for member, file in enumerate(self.files):
            if self.is_alive(member):
                beside = file.with_name(f".{file.name}.member")
                super().save_checkpoint(self._split(checkpoint, member), beside, storage_options)
                beside.replace(file)
        Path(path).touch()

    def load_checkpoint(self, path: Any, map_location: Any = "cpu", weights_only: bool | None = None) -> Any:
        """Return the checkpoint of the pack that the members' files make together."""
        members = [torch.load(file, map_location="cpu", weights_only=True) for file in self.files]
        assert len({member["global_step"] for member in members}) == 1
        return self._join(members)

    def _split(self, checkpoint: dict[str, Any], member: int) -> dict[str, Any]:
        group, place = self._place(member)
        shapes = self.module.stack.member_shapes(member)

        def own(state: dict[str, Any], shape: torch.Size) -> dict[str, Any]:
            return {k: corner(v[place], shape).clone() if _is_stacked(v) else v for k, v in state.items()}

        (optimizer,) = checkpoint["optimizer_states"]
        indices = optimizer["param_groups"][group]["params"]
        state = {
            i: own(optimizer["state"][index], shape)
            for i, (index, shape) in enumerate(zip(indices, shapes, strict=True))
            if index in optimizer["state"]
        }
        options = {**optimizer["param_groups"][group], "params": list(range(len(indices)))}
        options["fused"] = self.module.recipes[member].keywords.get("fused")
        return {
            **checkpoint,
            "callbacks": _scale_timer(checkpoint["callbacks"], 1 / len(self.files)),
            "state_dict": {f"net.{k}": v for k, v in self.module.stack.member_state(member).items()},
            "optimizer_states": [{"state": state, "param_groups": [options]}],
            "lr_schedulers": [_per_group(s, lambda v: [v[group]]) for s in checkpoint["lr_schedulers"]],
        }

    def _join(self, members: list[dict[str, Any]]) -> dict[str, Any]:
        stack = self.module.stack
        state: dict[int, dict[str, Any]] = {}
        groups: list[dict[str, Any]] = []
        for member, checkpoint in enumerate(members):
            stack.load_member(
                member, {k.removeprefix("net."): v for k, v in checkpoint["state_dict"].items()}
            )
        optimizers = [checkpoint["optimizer_states"][0] for checkpoint in members]
        wholes = [parameter.shape[1:] for parameter in stack.trained()]
        for group in self.module.groups:
            indices = [len(wholes) * len(groups) + i for i in range(len(wholes))]
            options = optimizers[group[0]]["param_groups"][0]
            groups.append({**options, "params": indices, "fused": True})
            for i, whole in enumerate(wholes):
                states = [optimizers[member]["state"].get(i, {}) for member in group]
                state[indices[i]] = {key: _stack([s[key] for s in states], whole) for key in states[0]}
        firsts = [members[group[0]]["lr_schedulers"] for group in self.module.groups]
        schedules = [_merge(list(same)) for same in zip(*firsts, strict=True)]
        return {
            **members[0],
            "callbacks": _scale_timer(members[0]["callbacks"], len(members)),
            "state_dict": self.module.state_dict(),
            "optimizer_states": [{"state": {k: v for k, v in state.items() if v}, "param_groups": groups}],
            "lr_schedulers": schedules,
        }

    def _place(self, member: int) -> tuple[int, int]:
        for index, group in enumerate(self.module.groups):
            if member in group:
                return index, group.index(member)
        raise IndexError(member)


def _scale_timer(callbacks: dict[str, Any], factor: float) -> dict[str, Any]:
    """Return the callbacks' state with the Timer's times multiplied: a member's time is its share of the pack's."""
    times = callbacks["Timer"]["time_elapsed"]
    return {**callbacks, "Timer": {"time_elapsed": {stage: factor * time for stage, time in times.items()}}}


def _is_stacked(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dim() > 0


def _stack(values: list[Any], shape: torch.Size) -> Any:
    first = values[0]
    return torch.stack([pad(value, shape) for value in values]) if _is_stacked(first) else first


def _per_group(schedule: dict[str, Any], pick: Callable[[list[Any]], list[Any]]) -> dict[str, Any]:
    """Return a schedule's state with `pick` applied to what it keeps for each group, nested schedules too."""
    return {
        key: pick(value)
        if key in PER_GROUP
        else [_per_group(inner, pick) for inner in value]
        if key == "_schedulers"
        else value
        for key, value in schedule.items()
    }


def _merge(schedules: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the state of one schedule over several groups, of which each has been split off before."""
    first = dict(schedules[0])
    for key in PER_GROUP:
        if key in first:
            first[key] = [schedule[key][0] for schedule in schedules]
    if "_schedulers" in first:
        nested = zip(*(schedule["_schedulers"] for schedule in schedules), strict=True)
        first["_schedulers"] = [_merge(list(same)) for same in nested]
    return first
