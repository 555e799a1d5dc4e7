"""What a plan would take, in hours and dollars: only from what the reader says of a device, or has tried on it."""

import doctest
import json
from importlib import import_module

import pytest
from omegaconf import OmegaConf

from overparam.errors import ConfigError
from overparam.sweeps import price as module
from overparam.sweeps.plan import report
from overparam.sweeps.price import Device, device_of, price, trial_runs, tried
from tests.conftest import CONFIGS, compose_config

SECTION = OmegaConf.load(CONFIGS / "plan.yaml").plan


def test_the_examples_of_the_docstrings():
    assert doctest.testmod(module).attempted == 1
    assert doctest.testmod(module).failed == 0


def test_the_configs_knobs_are_the_devices_and_describe_none():
    assert device_of(SECTION) == Device()
    assert set(SECTION) == {"json", *Device.__dataclass_fields__}


@pytest.mark.parametrize(
    ("work", "device", "said"),
    [
        ([(1e9, 3600)], Device(None, 1e9), "1 device-hours; 1 hours on 1 device"),
        # A step of 1 ms by its operations takes 10 by the device's least.
        ([(1e6, 3600)] * 4, Device(None, 1e9, 0.01, 2), "0.04 device-hours; 0.02 hours on 2 devices"),
        # Three equal runs on two devices take as long as two.
        (
            [(1e9, 3600)] * 3,
            Device(None, 1e9, 0, 2, 2.5),
            "3 device-hours, 7.5 dollars; 2 hours on 2 devices",
        ),
        # Each goes to the device that is free first: 2 beside 1 + 1.
        (
            [(1e9, 7200), (1e9, 3600), (1e9, 3600)],
            Device(None, 1e9, 0, 2),
            "4 device-hours; 2 hours on 2 devices",
        ),
    ],
)
def test_hours_and_dollars(work, device, said):
    assert price(work, device) == said


def test_a_trial_gives_the_highest_rate_and_the_shortest_step():
    device = tried(Device("logs/trial", devices=8), [1e6, 1e12], [0.004, 0.1])
    assert (device.flops_per_second, device.step_seconds, device.devices) == (1e13, 0.004, 8)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"devices": 0}, "plan.devices must be greater than 0, got 0"),
        ({"devices": 1.5}, "plan.devices must be"),
        ({"flops_per_second": -1}, "plan.flops_per_second must be greater than 0"),
        ({"flops_per_second": "fast"}, "plan.flops_per_second must be"),
        ({"step_seconds": float("nan")}, "plan.step_seconds must be"),
        ({"dollars_per_hour": 2}, "plan.dollars_per_hour needs the hours"),
        ({"trial": "logs/x", "flops_per_second": 1e12}, "give it or these"),
        ({"dollars_an_hour": 2}, "plan.dollars_an_hour: there is no such knob"),
    ],
)
def test_what_means_nothing_is_refused(given, reason):
    with pytest.raises(ConfigError) as error:
        device_of(OmegaConf.create({**SECTION, **given}))
    assert reason in str(error.value)


def test_no_section_is_refused():
    with pytest.raises(ConfigError, match="plan is a section with json, trial"):
        device_of(None)


def test_a_trial_is_finished_runs_that_were_trained_alone(tmp_path, small, capsys):
    cfg = small("model.width=4", "name=trial")
    folder = tmp_path / "trial"
    with pytest.raises(ConfigError, match=r"plan.trial=.*: there is no finished run that was trained alone"):
        trial_runs(str(folder))
    import_module("overparam.training.run").train(cfg)
    (summary_file,) = folder.glob("*/summary.json")
    summary = json.loads(summary_file.read_text())
    ((_, seconds),) = trial_runs(str(folder))
    assert seconds == summary["wall_seconds"] / 40
    # The trial's own run is priced at what it took.
    section = OmegaConf.create(
        {**SECTION, "trial": str(folder), "dollars_per_hour": 3600 / summary["wall_seconds"]}
    )
    report([(compose_config("model.width=4", "data.n_train=60", "trainer.max_steps=40"), [])], section)
    assert " device-hours, 1 dollars; " in capsys.readouterr().out
    summary_file.write_text(json.dumps({**summary, "pack": "0"}))
    with pytest.raises(ConfigError, match="trained alone"):
        trial_runs(str(folder))
