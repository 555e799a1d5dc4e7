"""What holds for every network, as its YAML builds it: shapes, width 1, meta device, seeds, errors."""

from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

CONFIGS = Path(__file__).parents[2] / "configs" / "model"
DEEP = {"resnet_cifar": {"depth": 56}, "wide_resnet": {"depth": 28, "widen_factor": 2}}
IMAGE_NETWORKS = [
    "cnn3",
    "cnn5",
    "preact_resnet18",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet_cifar",
    "vgg",
    "wide_resnet",
]
SCALED_NETWORKS = [*IMAGE_NETWORKS, "random_features", "transformer"]
NETWORKS = [*SCALED_NETWORKS, "linear"]
DIGITS = (1, 8, 8)


def build(name, input_shape=DIGITS, num_outputs=10, **knobs):
    config = OmegaConf.load(CONFIGS / f"{name}.yaml")
    return instantiate(config, input_shape=input_shape, num_outputs=num_outputs, **knobs)


def small(name, input_shape=DIGITS, **knobs):
    return build(name, input_shape, **({"width": 2} if name in SCALED_NETWORKS else {}), **knobs)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("input_shape", [(1, 8, 8), (3, 32, 32), (1, 28, 28)])
def test_maps_samples_to_outputs_and_every_parameter_has_a_gradient(name, input_shape):
    net = small(name, input_shape, **DEEP.get(name, {}))
    out = net(torch.randn(3, *input_shape))
    assert out.shape == (3, 10)
    out.sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


@pytest.mark.parametrize("name", SCALED_NETWORKS)
def test_width_one(name):
    net = build(name, width=1, **DEEP.get(name, {}))
    assert torch.isfinite(net(torch.randn(4, *DIGITS))).all()


@pytest.mark.parametrize("name", ["linear", "random_features", "transformer"])
def test_vectors(name):
    assert build(name, (20,), 3)(torch.randn(5, 20)).shape == (5, 3)


@pytest.mark.parametrize("name", NETWORKS)
def test_built_on_the_meta_device_without_allocation(name):
    with torch.device("meta"):
        net = build(name, (3, 32, 32))
    assert all(tensor.is_meta for tensor in [*net.parameters(), *net.buffers()])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_seed_fixes_the_network(name):
    nets = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        nets.append(small(name, init="normal") if name == "linear" else small(name))
    same, other = ([*nets[i].state_dict().values()] for i in (1, 2))
    first = [*nets[0].state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(first, same, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("name", SCALED_NETWORKS)
@pytest.mark.parametrize("width", [0, -3, 2.5, True])
def test_width_must_be_a_positive_integer(name, width):
    with pytest.raises(ValueError, match=f"width must be a positive integer, got {width}"):
        instantiate_error_cause(name, width=width)


@pytest.mark.parametrize("name", IMAGE_NETWORKS)
def test_convolutions_refuse_vectors(name):
    with pytest.raises(
        ValueError, match=r"needs images .* shape \(64,\): choose an image data set, or model=mlp"
    ):
        instantiate_error_cause(name, input_shape=(64,))


@pytest.mark.parametrize(
    ("name", "knobs", "message"),
    [
        ("mlp", {"init": "pytorch", "parametrization": "ntk"}, "model.init=pytorch is for"),
        ("mlp", {"init": "normal"}, "model.init_std goes with model.init=normal, got None with normal"),
        ("mlp", {"init_std": 0.1}, "model.init_std goes with model.init=normal, got 0.1 with he"),
        ("mlp", {"init": "normal", "init_std": 0.1, "parametrization": "mup"}, "model.init=normal is for"),
        ("linear", {"init": "uniform"}, "init must be one of zero, normal, got 'uniform'"),
        ("random_features", {"features": "tanh"}, "features must be one of rbf, relu, got 'tanh'"),
        ("random_features", {"dtype": "float16"}, "dtype must be one of float32, float64, got 'float16'"),
        ("random_features", {"sigma": 0}, "sigma must be positive, got 0"),
        ("cnn5", {"stages": 0}, "stages must be at least 1, got 0"),
        (
            "cnn5",
            {"stages": 6},
            r"6 stages need images of at least 16x16, got \(1, 8, 8\): lower model.stages",
        ),
        ("preact_resnet18", {"blocks": [2, 0]}, r"blocks must list .* per stage, got \[2, 0\]"),
        ("preact_resnet18", {"blocks": []}, r"blocks must list .* per stage, got \[\]"),
        ("resnet_cifar", {"depth": 21}, r"depth must be 6n \+ 2, that is 8, 14, .* got 21"),
        ("resnet_cifar", {"depth": 2}, r"depth must be 6n \+ 2, that is 8, 14, .* got 2"),
        ("resnet_cifar", {"shortcut": "C"}, "shortcut must be one of A, B, got 'C'"),
        ("wide_resnet", {"depth": 20}, r"depth must be 6n \+ 4, that is 10, 16, .* got 20"),
        ("wide_resnet", {"widen_factor": 0}, "widen_factor must be a positive integer, got 0"),
        ("wide_resnet", {"dropout": 1.5}, "dropout probability has to be between 0 and 1, but got 1.5"),
        ("vgg", {"depth": 12}, "depth must be one of 11, 13, 16, 19, got 12"),
        ("vgg", {"norm": "layer"}, "norm must be one of none, batch, got 'layer'"),
        ("transformer", {"heads": 0}, "heads must be a positive integer, got 0"),
        ("transformer", {"patch": 3}, "patch must divide the images' height and width, 8 and 8, got 3"),
        ("resnet18", {"depth": 19}, "depth must be one of 18, 34, 50, 101, 152, got 19"),
    ],
)
def test_bad_knobs_say_what_is_allowed(name, knobs, message):
    with pytest.raises(ValueError, match=message):
        instantiate_error_cause(name, **knobs)


def instantiate_error_cause(name, **knobs):
    """Hydra wraps the error of a constructor in its own; the network's is the cause."""
    with pytest.raises(Exception, match="Error in call to target") as error:
        small(name, **knobs) if "width" not in knobs else build(name, **knobs)
    raise error.value.__cause__


@pytest.mark.parametrize("name", NETWORKS)
def test_every_knob_is_commented(name):
    for line in (CONFIGS / f"{name}.yaml").read_text().splitlines():
        assert "#" in line or line.startswith("_target_"), f"no comment on {line!r}"
