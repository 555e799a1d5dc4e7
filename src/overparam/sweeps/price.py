"""What a plan's runs would take, in hours and dollars, on a device that the reader describes or has tried."""

import heapq
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from overparam.errors import ConfigError, counted, did_you_mean
from overparam.ranges import NonNegativeFloat, PositiveFloat, PositiveInt
from overparam.runs.damage import CONFIG, damage
from overparam.runs.summary import SUMMARY, read_summary
from overparam.training.knobs import typed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Device:
    """What runs are trained on, as the section `plan` of a config says it; nothing is assumed of any device.

    Args:
        trial: a sweep's folder: rate and least step time are those of its finished runs, see `tried`.
        flops_per_second: operations a second, counted as `StepCost.flops` counts them; None is not known.
        step_seconds: no step takes less, however small the network.
        devices: how many there are, each of which trains one run at a time.
        dollars_per_hour: the price of one; None is not known.
    """

    trial: str | None = None
    flops_per_second: PositiveFloat | None = None
    step_seconds: NonNegativeFloat = 0.0
    devices: PositiveInt = 1
    dollars_per_hour: PositiveFloat | None = None


def device_of(section: Any) -> Device:
    """Return the device that a config's section `plan` describes; raises `ConfigError` if its values mean nothing."""
    names = ["json", *(field.name for field in fields(Device))]
    if not isinstance(section, Mapping):
        raise ConfigError(f"plan is a section with {', '.join(names)}, got {section}")
    for key in section:
        if key not in names:
            raise ConfigError(f"plan.{key}: there is no such knob{did_you_mean(str(key), names)}")
    given = {str(key): value for key, value in section.items() if key != "json"}
    device = Device(**typed(Device, given, prefix="plan."))
    if device.trial is not None and (device.flops_per_second is not None or device.step_seconds):
        raise ConfigError("plan.trial measures plan.flops_per_second and plan.step_seconds: give it or these")
    if device.dollars_per_hour is not None and device.trial is None and device.flops_per_second is None:
        raise ConfigError("plan.dollars_per_hour needs the hours: give plan.trial or plan.flops_per_second")
    return device


def trial_runs(folder: str) -> list[tuple[DictConfig, float]]:
    """Return the config and the seconds a step of each finished run of a sweep that was trained alone.

    Raises:
        ConfigError: if there is none.
    """
    found = []
    for file in sorted(Path(folder).glob(f"*/{SUMMARY}")):
        if said := damage(file.parent):
            log.warning("left out: %s: %s", file.parent, said)
            continue
        summary = read_summary(file.parent) or {}
        is_ours = summary.keys() >= {"steps", "wall_seconds"} and file.with_name(CONFIG).exists()
        if is_ours and summary.get("pack") is None and summary["steps"]:
            cfg = OmegaConf.load(file.with_name(CONFIG))
            assert isinstance(cfg, DictConfig)
            found.append((cfg, summary["wall_seconds"] / summary["steps"]))
    if not found:
        raise ConfigError(f"plan.trial={folder}: there is no finished run that was trained alone (pack=off)")
    return found


def tried(device: Device, flops: Sequence[float], seconds: Sequence[float]) -> Device:
    """Return the device with the highest rate and the shortest step that finished runs have shown.

    Args:
        device: what else is known of it.
        flops: operations a step of each run.
        seconds: what a step of each took, with its share of the evaluations.
    """
    rate = max(count / each for count, each in zip(flops, seconds, strict=True))
    return replace(device, flops_per_second=rate, step_seconds=min(seconds))


def price(work: Sequence[tuple[float, int]], device: Device) -> str:
    """Say what runs take, each given as the operations of a step and the number of its steps.

    Example:
        >>> price([(1e12, 3600)] * 5, Device(flops_per_second=1e12, devices=2, dollars_per_hour=2.0))
        '5 device-hours, 10 dollars; 3 hours on 2 devices'
    """
    assert device.flops_per_second is not None
    rate, least = device.flops_per_second, device.step_seconds
    hours = [steps * max(least, flops / rate) / 3600 for flops, steps in work]
    ends = [0.0] * device.devices
    for each in hours:  # in the order of the grid, each on the device that is free first
        heapq.heapreplace(ends, ends[0] + each)
    paid = "" if device.dollars_per_hour is None else f", {sum(hours) * device.dollars_per_hour:,.3g} dollars"
    where = counted(device.devices, "device")
    return f"{sum(hours):,.3g} device-hours{paid}; {max(ends):,.3g} hours on {where}"
