"""Every network, with every data set and with augmentation, trains on a device as on the CPU and never waits for it."""

import pytest

from tests.combinations.test_combinations import options
from tests.device.watched import compare_networks
from tests.standins import NAMES, write_standin

AUGMENTED = ("data.crop=2", "data.flip=true", "data.cutout=5")
# At most so many kernels a step, with Adam.
LAUNCHES = {
    **{"linear": 32, "random_features": 28, "mlp": 55, "cnn3": 140, "cnn5": 180},
    **{"preact_resnet18": 550, "resnet18": 620, "resnet34": 1100, "resnet50": 1600},
    **{"resnet_cifar": 700, "wide_resnet": 900, "vgg": 160, "transformer": 150},
}
OF_AUGMENTATION = 12  # more for crops, flips and cutout together
DEEP = ("resnet18", "resnet34", "resnet50", "resnet_cifar", "wide_resnet", "preact_resnet18", "vgg")
ONE_OF_A_SHAPE = ("digits", "mnist", "cifar10")  # a network sees of images their shape; deep ones take long


@pytest.fixture(scope="module")
def standins(tmp_path_factory):
    folder = tmp_path_factory.mktemp("standins")
    for name in NAMES:
        write_standin(name, folder, n_train=40, n_test=20)
    return folder


@pytest.mark.parametrize("augmentation", [(), AUGMENTED], ids=["plain", "augmented"])
@pytest.mark.parametrize("data", options("data"))
def test_networks_train_as_on_the_cpu_and_never_wait(
    tmp_path, standins, in_device_process, data, augmentation
):
    if augmentation and data not in (*NAMES, "digits"):
        pytest.skip("augmentation is of images")
    overrides = (f"paths.data={standins}", *augmentation)
    models = [model for model in options("model") if model not in DEEP or data in ONE_OF_A_SHAPE]
    found = in_device_process(compare_networks, data, models, overrides, str(tmp_path))
    trained = {model: seen for model, seen in found.items() if not seen.refused}
    assert {"linear", "mlp", "random_features"} <= trained.keys()
    assert all("needs images" in found[model].refused for model in found.keys() - trained.keys())
    assert {model: seen.differences for model, seen in trained.items() if seen.differences} == {}
    assert {model: seen.waits for model, seen in trained.items() if seen.waits} == {}
    assert {len(set(seen.evaluation_waits)) for seen in trained.values()} == {1}
    assert max(seen.evaluation_waits[0] for seen in trained.values()) <= 2  # one a split
    most = {model: LAUNCHES[model] + OF_AUGMENTATION * bool(augmentation) for model in trained}
    assert {model: seen.launches for model, seen in trained.items() if seen.launches > most[model]} == {}
