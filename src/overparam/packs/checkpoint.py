"""A pack's checkpoint: one file a member, each the one its run alone would have written.

So what is left of a killed pack may also be trained one by one, or in other company.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from torch import Tensor

from overparam.compat import SCHEDULE_NESTED, SCHEDULE_PER_GROUP
from overparam.packs.module import PackModule


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
        """Write every member's file; each is complete whenever it exists, and see `complete_checkpoints`."""
        files = [(member, file) for member, file in enumerate(self.files) if self.is_alive(member)]
        for member, file in files:
            super().save_checkpoint(self._split(checkpoint, member), _beside(file), storage_options)
        for _, file in files:
            _beside(file).replace(file)
        Path(path).touch()

    def load_checkpoint(self, path: Any, map_location: Any = "cpu", weights_only: bool | None = None) -> Any:
        """Return the checkpoint of the pack that the members' files make together; who has none keeps its place."""
        members = [
            torch.load(file, map_location="cpu", weights_only=True) if self.is_alive(member) else None
            for member, file in enumerate(self.files)
        ]
        return self._join(members)

    def _split(self, checkpoint: dict[str, Any], member: int) -> dict[str, Any]:
        stack, row = self.module.stack, member // self.module.stack.columns
        (group,) = (g for g, rows in enumerate(self.module.groups) if row in rows)
        place = row - self.module.groups[group][0]
        (optimizer,) = checkpoint["optimizer_states"]
        options = optimizer["param_groups"][group]
        held = optimizer["state"].get(options["params"][0])
        state = {
            i: {k: stack.take(v[place], member, name).clone() if _is_rows(v) else v for k, v in held.items()}
            for i, name in enumerate(stack.trained if held else ())
        }
        own = {
            "params": list(range(len(stack.trained))),
            "fused": self.module.recipes[row].keywords.get("fused"),
        }
        return {
            **checkpoint,
            "callbacks": _scale_timer(checkpoint["callbacks"], 1 / len(self.files)),
            "state_dict": {f"net.{k}": v for k, v in stack.member_state(member).items()},
            "optimizer_states": [{"state": state, "param_groups": [{**options, **own}]}],
            "lr_schedulers": [_per_group(s, lambda v: [v[group]]) for s in checkpoint["lr_schedulers"]],
        }

    def _join(self, members: Sequence[dict[str, Any] | None]) -> dict[str, Any]:
        stack = self.module.stack
        alive = {member: checkpoint for member, checkpoint in enumerate(members) if checkpoint is not None}
        assert len({checkpoint["global_step"] for checkpoint in alive.values()}) == 1
        for member, checkpoint in alive.items():
            stack.load_member(
                member, {k.removeprefix("net."): v for k, v in checkpoint["state_dict"].items()}
            )
        any_alive = next(iter(alive.values()))
        state: dict[int, dict[str, Any]] = {}
        groups: list[dict[str, Any]] = []
        schedules_of_groups = []
        for index, rows in enumerate(self.module.groups):
            first = rows[0] * stack.columns
            places = range(first, first + len(rows) * stack.columns)
            shown = next((alive[place] for place in places if place in alive), any_alive)
            (optimizer,) = shown["optimizer_states"]
            groups.append({**optimizer["param_groups"][0], "params": [index], "fused": True})
            held = dict(optimizer["state"].get(0, {}))
            for key in (key for key, value in held.items() if _is_rows(value)):
                held[key] = held[key].new_zeros(len(rows), stack.flat.shape[1])
                for member in (place for place in places if place in alive):
                    row = held[key][(member - first) // stack.columns]
                    own = alive[member]["optimizer_states"][0]["state"]
                    for i, name in enumerate(stack.trained):
                        stack.take(row, member, name).copy_(own[i][key])
            if held:
                state[index] = held
            schedules_of_groups.append(shown["lr_schedulers"])
        schedules = [_merge(list(same)) for same in zip(*schedules_of_groups, strict=True)]
        return {
            **any_alive,
            "callbacks": _scale_timer(any_alive["callbacks"], len(members)),
            "state_dict": self.module.state_dict(),
            "optimizer_states": [{"state": state, "param_groups": groups}],
            "lr_schedulers": schedules,
        }


def complete_checkpoints(files: Sequence[Path]) -> None:
    """Finish what a pack was doing that was killed while its members' checkpoints took the place of older ones.

    They are written beside their places first, all of them; so if one of them has moved, the others are complete.

    Args:
        files: where the members' checkpoints stand.
    """
    beside = [file for file in files if _beside(file).exists()]
    if not beside:
        return
    moved = {_step(file) for file in files if file not in beside} - {None}
    for file in beside:
        if _step(_beside(file)) in moved:
            _beside(file).replace(file)
        else:
            _beside(file).unlink()


def _beside(file: Path) -> Path:
    return file.with_name(f".{file.name}.member")


def _step(file: Path) -> int | None:
    """Return the step of a checkpoint; None if there is none that can be read."""
    try:
        return torch.load(file, weights_only=True, map_location="cpu")["global_step"]
    except Exception:  # torch has many for a file that is no checkpoint
        return None


def _scale_timer(callbacks: dict[str, Any], factor: float) -> dict[str, Any]:
    """Return the callbacks' state with the Timer's times multiplied: a member's time is its share of the pack's."""
    times = callbacks.get("Clock", {}).get("time_elapsed", {})
    return {**callbacks, "Clock": {"time_elapsed": {stage: factor * time for stage, time in times.items()}}}


def _is_rows(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dim() > 0


def _per_group(schedule: dict[str, Any], pick: Callable[[list[Any]], list[Any]]) -> dict[str, Any]:
    """Return a schedule's state with `pick` applied to what it keeps for each group, nested schedules too."""
    return {
        key: pick(value)
        if key in SCHEDULE_PER_GROUP
        else [_per_group(inner, pick) for inner in value]
        if key == SCHEDULE_NESTED
        else value
        for key, value in schedule.items()
    }


def _merge(schedules: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the state of one schedule over several groups, of which each has been split off before."""
    first = dict(schedules[0])
    for key in SCHEDULE_PER_GROUP:
        if key in first:
            first[key] = [schedule[key][0] for schedule in schedules]
    if SCHEDULE_NESTED in first:
        nested = zip(*(schedule[SCHEDULE_NESTED] for schedule in schedules), strict=True)
        first[SCHEDULE_NESTED] = [_merge(list(same)) for same in nested]
    return first
