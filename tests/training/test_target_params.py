"""model.target_params: a wish for a size is the width that fulfils it."""

import pytest

from overparam.errors import ConfigError
from overparam.runs.choices import flat_choices
from overparam.runs.identity import flat_values, identity
from overparam.training.build import assemble, resolve
from tests.conftest import compose_config

SCALED = {
    "mlp": 30_000,
    "cnn3": 30_000,
    "cnn5": 100_000,
    "preact_resnet18": 200_000,
    "resnet18": 300_000,
    "resnet50": 300_000,
    "resnet_cifar": 60_000,
    "wide_resnet": 500_000,
    "vgg": 300_000,
    "transformer": 30_000,
    "random_features": 4_000,
}


@pytest.mark.parametrize("model", SCALED)
def test_the_width_found_is_the_one_that_comes_nearest(model):
    target = SCALED[model]
    resolved = resolve(compose_config(f"model={model}", f"model.target_params={target}"))

    def miss(width):
        cfg = compose_config(f"model={model}", f"model.width={width}")
        return abs(assemble(cfg).params - target)

    found = resolved.model.width
    assert miss(found) == abs(assemble(resolved).params - target)
    assert miss(found) < miss(found + 1)
    assert miss(found) < miss(found - 1)


def test_depth_against_width_at_equal_size():
    widths = {}
    for depth in (1, 2, 5):
        cfg = resolve(compose_config(f"model.depth={depth}", "model.target_params=1e4"))
        widths[depth] = cfg.model.width
        assert assemble(cfg).params == pytest.approx(10_000, rel=0.02)
    assert widths[1] > widths[2] > widths[5]


def test_wished_for_or_set_by_hand_is_one_run():
    wished = resolve(compose_config("model.target_params=985", "seed=3"))  # (64 + 1) 13 + (13 + 1) 10
    by_hand = compose_config("model.width=13", "seed=3")
    assert wished.model.width == 13
    assert identity(wished) == identity(by_hand) == identity(resolve(by_hand))
    assert flat_values(wished) == flat_values(by_hand)
    assert resolve(wished) == wished
    assert flat_choices(wished.choices) == {"model.target_params": 985}  # a width that follows is no axis


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model=linear"], "model.target_params chooses a width, and Linear has none: leave it null"),
        (["model.target_params=0"], "model.target_params must be an integer from 1 to 1000000000000, got 0"),
        (
            ["model.target_params=0.5"],
            "model.target_params must be an integer from 1 to 1000000000000, got 0.5",
        ),
        (
            ["model=cnn3", "model.target_params=1e30"],
            "model.target_params must be an integer from 1 to 1000000000000, got 1e",
        ),
        (
            ["model.target_params=many"],
            "model.target_params must be an integer from 1 to 1000000000000, got 'many'",
        ),
        (["model=cnn5", "data=teacher"], "model: a convolutional network needs images"),
    ],
)
def test_a_wish_that_cannot_be_met(overrides, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        resolve(compose_config("model.target_params=100", *overrides))
