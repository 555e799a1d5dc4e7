"""Every measure says of a network on a device what it says of the same network on the CPU.

To rounding: what lies in memory in another order is multiplied in another order.
"""

import pytest

from tests.combinations.test_combinations import options
from tests.device.watched import measured, measured_without_float64

# Small enough for the Hessian's trace to be exact: an estimate would draw other directions on the device.
FOR = {
    "hessian": ["model.width=1", "measures.hessian.trace_products=120"],
    "min_norm": ["model=linear", "data=linear"],
    "held_out": ["data.held_out=20"],
    "memorization": ["data.label_noise=0.3"],
    "cost": ["measures.cost.repeats=1"],
}
NETWORKS = {"mlp": [], "cnn": ["model=cnn3", "model.width=2"]}
OF_NETWORKS = ("bounds", "collapse", "margins", "norms", "rank", "sharpness", "tangent_kernel", "units")


TIMED = ("latency_ms", "throughput", "step_memory_mb")


@pytest.mark.parametrize("measure", options("measures"))
def test_a_measure_says_what_it_says_on_the_cpu(tmp_path, in_device_process, measure):
    for name, network in NETWORKS.items() if measure in OF_NETWORKS else {"its own": []}.items():
        overrides = ["data.batch_size=5", *network, f"measures={measure}", *FOR.get(measure, [])]
        on_cpu, on_device = in_device_process(measured, overrides, str(tmp_path / name))
        assert on_cpu.pop("warnings") == on_device.pop("warnings") == []
        assert on_cpu.keys() == on_device.keys() != set()
        for key in on_cpu.keys() - TIMED:
            assert on_device[key] == (on_cpu[key] and pytest.approx(on_cpu[key], rel=1e-4)), key


def test_a_device_without_float64_trains_and_is_measured(tmp_path, in_device_process):
    measures = "measures=[norms,rank,units,margins,memorization,tangent_kernel]"
    overrides = ["data.batch_size=5", "data.label_noise=0.3", measures]
    on_cpu, on_device = in_device_process(measured_without_float64, overrides, str(tmp_path))
    assert on_cpu.pop("warnings") == on_device.pop("warnings") == []
    assert on_device == {key: value and pytest.approx(value, rel=1e-4) for key, value in on_cpu.items()}
