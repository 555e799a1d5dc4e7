"""A run's identity: the same values give the same name, and nothing else does.

The identity hashes every config value that can change a result, after interpolation, and no value that only
says where the run happens or how it is logged. It does not depend on the order or spelling of overrides, on
the package's name, or on which file a class stands in.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

SECTIONS = (
    "data",
    "model",
    "loss",
    "optimizer",
    "scheduler",
    "clip_norm",
    "channels_last",
    "compile",
    "trainer",
    "evaluation",
    "measures",
    "seed",
    "init_from",
)

# Where and how a run happens, not what it computes. A knob not named here counts; so do those that only make a run
# faster but change its rounding (precision, channels_last, compile, optimizer.fused): training amplifies rounding
# until two runs differ visibly, and one name must stand for one set of numbers.
NOT_IDENTITY = {
    "data.root",
    "data.download",
    "data.num_workers",
    "data.resident",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.strategy",
    "trainer.enable_progress_bar",
    "trainer.enable_model_summary",
    "evaluation.batch_size",
    "init_from.weights",  # where they are; what they are counts, as init_from.sha256
}

# Knobs added after runs were made, with the value that means what the lab did before the knob existed. A knob at
# this value, or at null, leaves no trace in the hash, so old runs keep their identities. Append only.
NEUTRAL: dict[str, Any] = {
    "model.parametrization": "standard",
    "data.random_labels": False,
    "data.crop": 0,
    "data.flip": False,
    "data.cutout": 0,
    "channels_last": False,
    "compile": False,
    "data.held_out": 0,
    "trainer.sync_batchnorm": True,
}

# What the readable part of an identity shows: a prefix and a config key.
PREFIX = (
    ("w", "model.width"),
    ("d", "model.depth"),
    ("n", "data.n_train"),
    ("p", "data.label_noise"),
    ("s", "seed"),
)


def flat_values(cfg: DictConfig) -> dict[str, Any]:
    """Return the identity sections as {"model.width": 8, ...}, resolved, without None and `NEUTRAL` values."""
    values: dict[str, Any] = {}
    for section in SECTIONS:
        if section in cfg:
            node = cfg[section]
            plain = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
            flatten(section, plain, values)
    return values


def flatten(key: str, value: Any, out: dict[str, Any]) -> None:
    """Add the resolved `value` of `key` to flat values, leaf by leaf, in the form that is hashed."""
    if any(key == other or key.startswith(other + ".") for other in NOT_IDENTITY):
        return
    if isinstance(value, Mapping):
        for name, child in value.items():
            flatten(f"{key}.{name}", child, out)
        return
    if key.endswith("._target_"):
        value = str(value).rpartition(".")[2]
    elif isinstance(value, float) and value.is_integer():
        value = int(value)  # 1.0 and 1, 1e3 and 1000 are one value
    if value is not None and (key not in NEUTRAL or value != NEUTRAL[key]):
        out[key] = value


def identity(cfg: DictConfig) -> str:
    """Return the run's name, for example `mlp-w64-d1-n1200-p0.2-s0-1f0a9c33e2`.

    The prefix is for people; ten hexadecimal digits of SHA-256 over `flat_values` make it unique (the chance
    that any two of 10,000 runs collide is below 1e-4).
    """
    return name_of(flat_values(cfg))


def run_directory(cfg: DictConfig) -> Path:
    """Return `<paths.logs>/<name>/<identity>`."""
    return Path(cfg.paths.logs) / cfg.name / identity(cfg)


def name_of(values: Mapping[str, Any]) -> str:
    """Return the identity of a run with these flat values (see `identity`)."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    shown = [str(values.get("model._target_", "model")).lower()]
    shown += [
        f"{letter}{values[key]:g}" for letter, key in PREFIX if isinstance(values.get(key), int | float)
    ]
    return "-".join([*shown, hashlib.sha256(text.encode()).hexdigest()[:10]])
