"""Every knob of every shipped config: read as its type says, or refused in one line before any work."""

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest
from annotated_types import Ge, Gt, Interval, Lt
from omegaconf import OmegaConf

from overparam.errors import ConfigError
from overparam.runs.identity import identity
from overparam.training.build import assemble, resolve
from overparam.training.evaluation import Evaluation
from overparam.training.knobs import RunKnobs, _hints, target, typed, typed_config
from tests.conftest import CONFIGS, compose_config

# Roots of random streams may be any integer.
ANY_INTEGER = {"seed", "order_seed"}
# What is asked of these, a device says, or what was trained: see training/checks.py and training/weights.py.
ELSEWHERE = {"precision", "devices", "teacher"}
GROUPS = "data model module loss optimizer scheduler trainer callbacks logger measures study"


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "_target_" in value:
            yield value
        value = list(value.values())
    for child in value if isinstance(value, list) else ():
        yield from nodes(child)


def knobs() -> dict[str, tuple[Any, str, Any]]:
    """Callable, key and type of every knob in a YAML of the lab, by a readable name."""
    found: dict[str, tuple[Any, str, Any]] = {}
    for group in GROUPS.split():
        for path in sorted(CONFIGS.glob(f"{group}/**/*.yaml")):
            for node in nodes(OmegaConf.to_container(OmegaConf.load(path))):
                called = target(group, node)
                for key, hint in _hints(called).items():
                    if key in node or called.__module__.startswith("overparam.data"):
                        found[f"{called.__name__}.{key}"] = called, key, hint
    for called in (Evaluation, RunKnobs):
        found |= {f"{called.__name__}.{key}": (called, key, hint) for key, hint in _hints(called).items()}
    return {name: knob for name, knob in found.items() if knob[1] not in NOT_KNOBS}


# What the lab passes itself.
NOT_KNOBS = {"return", "input_shape", "num_outputs", "pool_size", "task", "args", "kwargs"}
NOT_KNOBS |= {"net", "optimizer", "loss", "scheduler", "common"}
KNOBS = knobs()


def leaves(hint: Any) -> Iterator[Any]:
    """The types that a value, or each item of a list, may have."""
    if get_origin(hint) in (Annotated, Literal):
        inner = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        yield hint if inner in (int, float) or get_origin(inner) is Literal else inner
        return
    if arguments := get_args(hint):
        for argument in arguments:
            yield from leaves(argument)
    else:
        yield hint


def bounds(hint: Any) -> tuple[float, float, bool, bool]:
    """Lowest and highest value, and whether each is itself allowed."""
    low, high, closed_low, closed_high = -math.inf, math.inf, False, False
    for limit in hint.__metadata__:
        for part in limit if isinstance(limit, Interval) else [limit]:
            if isinstance(part, Gt | Ge):
                low, closed_low = getattr(part, "gt", None) or getattr(part, "ge", 0), isinstance(part, Ge)
            else:
                high, closed_high = (
                    getattr(part, "lt", None) or getattr(part, "le", 0),
                    not isinstance(part, Lt),
                )
    return low, high, closed_low, closed_high


@pytest.mark.parametrize("name", KNOBS)
def test_a_number_says_its_range(name):
    _, key, hint = KNOBS[name]
    if key not in ANY_INTEGER | ELSEWHERE:
        assert not {int, float} & set(leaves(hint)), f"{name}: {hint}"


def wrong_values(hint: Any) -> Iterator[Any]:
    yield from (math.nan, -math.inf, {"a": 1}, {})
    if "inf" not in str(hint):  # the name of a norm, which a command line reads as a number
        yield math.inf
    kinds = list(leaves(hint))
    is_list = any(name in str(hint).lower() for name in ("sequence[", "list[", "tuple["))
    allowed = {type(None)} & set(kinds)
    if not allowed:
        yield None
    if bool not in kinds:
        yield True
    if str not in kinds:
        yield from ("nonsense", "", "off " * 100)
    if not is_list:
        yield from ([], [1])
    numbers = [kind for kind in kinds if get_origin(kind) is Annotated and get_args(kind)[0] in (int, float)]
    for kind in numbers:
        low, high, closed_low, closed_high = bounds(kind)
        outside = [low - 1, *([] if closed_low else [low])]
        outside += [2 * high + 1, *([] if closed_high else [high])] if high < math.inf else [10**400]
        if get_args(kind)[0] is int:
            outside += [10**400, 2.5]
        yield from ([value] for value in outside) if is_list else outside
    if numbers or bool in kinds or is_list:
        yield b"bytes".decode() + "\x1b[31m"


@pytest.mark.parametrize("name", [name for name in KNOBS if KNOBS[name][1] not in ELSEWHERE])
def test_what_is_outside_of_it_is_refused_in_one_line(name):
    called, key, hint = KNOBS[name]
    for value in wrong_values(hint):
        with pytest.raises(ConfigError) as caught:
            print(typed(called, {key: value}, "group."), value)
        message = str(caught.value)
        assert message.startswith(f"group.{key} must be ")
        assert "\n" not in message
        assert len(message) < 400


def flat_knobs(cfg: Any) -> Iterator[str]:
    """The keys of a composed config that are knobs: leaves, but not of where runs go."""

    def walk(value: Any, key: str) -> Iterator[str]:
        if isinstance(value, dict) and value:
            for name, child in value.items():
                yield from walk(child, f"{key}.{name}" if key else name)
        else:
            yield key

    plain = OmegaConf.to_container(cfg)
    return (key for key in walk(plain, "") if not key.startswith(("hydra", "paths", "name")))


HELD_OUT = ("data.n_train=100", "data.held_out=9")
COMPOSED = {
    "usual": (),
    "linear": (
        "data=linear",
        "model=linear",
        "optimizer=sgd",
        "scheduler=cosine",
        "trainer.precision=64-true",
    ),
    "images": ("data=digits", "model=cnn3", "optimizer=adamw", "scheduler=multistep", "module=mixup"),
    "stopped": (
        "data=mnist1d",
        "scheduler=warmup_cosine",
        "module=sam",
        "callbacks=[ema,early_stopping]",
        *HELD_OUT,
    ),
    "measured": ("measures=[hessian,sharpness,units,cost,rank]", "logger=[csv,wandb]", "scheduler=step"),
    "chosen": (
        "data=teacher",
        "model=random_features",
        "scheduler=plateau",
        "callbacks=[best_weights]",
        *HELD_OUT,
    ),
}


def said_of(cfg: Any) -> str:
    """What refuses a config; any other exception is a failure of the test."""
    try:
        assemble(cfg)
    except ConfigError as error:
        return str(error)
    return ""


NONSENSE = (None, "nonsense", "", math.nan, math.inf, -1, 10**30, 2.5, True, [], [1], {}, {"a": 1})


@pytest.mark.parametrize("name", COMPOSED)
def test_nonsense_anywhere_is_refused_in_one_line_or_has_its_range(name):
    base = compose_config(*COMPOSED[name])
    assemble(base)
    for key in flat_knobs(base):
        for value in NONSENSE:
            cfg = base.copy()
            OmegaConf.update(cfg, key, value, merge=False)
            assert "\n" not in said_of(cfg), (key, value)


SPELLINGS = [
    ("data.flip=true", ["data.flip=on", "data.flip=yes", "data.flip='True'", "data.flip=${oc.env:ON}"]),
    ("model.bias=false", ["model.bias=off", "model.bias=no", "model.bias=${oc.env:OFF}"]),
    (
        "data.n_train=30",
        ["data.n_train=30.0", "data.n_train=3e1", "data.n_train='30'", "data.n_train=${oc.env:N}"],
    ),
    ("data.batch_size=16", ["data.batch_size=16.0", "data.batch_size='1.6e1'"]),
    ("optimizer.lr=0.5", ["optimizer.lr='0.5'", "optimizer.lr=5e-1", "optimizer.lr=${oc.env:LR}"]),
    ("data.random_labels=false", ["data.random_labels=off", "data.random_labels=${oc.env:OFF}"]),
    ("seed=1", ["seed=1.0", "seed='1'"]),
    ("optimizer.betas=[0.5,0.9]", ["optimizer.betas=['0.5',0.9]"]),
    ("compile=false", ["compile=off"]),
]


@pytest.mark.parametrize(("spelled", "others"), SPELLINGS)
def test_equal_meanings_are_one_run(spelled, others, monkeypatch):
    for name, value in {"ON": "true", "OFF": "false", "N": "30", "LR": "0.5"}.items():
        monkeypatch.setenv(name, value)
    group = ("model=linear",) if "bias" in spelled else ("model=cnn3",)
    wanted = resolve(compose_config(*group, spelled))
    key = spelled.partition("=")[0]
    for other in others:
        found = resolve(compose_config(*group, other))
        assert identity(found) == identity(wanted)
        value, meant = OmegaConf.select(found, key), OmegaConf.select(wanted, key)
        assert (value, type(value)) == (meant, type(meant))


def test_a_config_that_is_typed_already_is_returned_as_it_is():
    cfg = compose_config("data.seed=${seed}", "logger=[csv,wandb]")
    assert typed_config(cfg) is cfg


def test_a_truth_value_is_no_number_and_a_number_no_truth_value():
    for override in ("data.flip=1", "seed=true", "optimizer.lr=true", "optimizer.betas=[false,0.9]"):
        with pytest.raises(ConfigError, match=r"must be (true or false|a number)"):
            resolve(compose_config(override))
