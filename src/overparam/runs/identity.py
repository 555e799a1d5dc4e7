"""A run's identity: the same values give the same name, and nothing else does.

The identity hashes every value of the resolved config but those of `NOT_IDENTITY`, which say where and how a run
happens. It does not depend on the order or spelling of overrides, on the folders of `paths`, or on the package's name.
"""

import hashlib
import json
import logging
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from overparam.runs.names import LONGEST, folder_name, logs_folder
from overparam.runs.published import PUBLISHED, RENAMED
from overparam.runs.readable import readable
from overparam.runs.summary import SUMMARY

log = logging.getLogger(__name__)

# Where and how a run happens, not what it computes. A key not named here counts, also one that a fork adds; so do
# knobs that only make a run faster but change its rounding (precision, channels_last, compile, optimizer.fused):
# training amplifies rounding until two runs differ visibly, and one name must stand for one set of numbers.
NOT_IDENTITY = {
    "hydra",
    "name",
    "paths",
    "logger",
    "checkpoint_seconds",
    "pack",
    "members",
    "cpu_threads",
    "objective",
    "retrain",
    "plan",
    "report",
    "choices",  # the names of files; the values they bring count
    "few_samples",  # what it limits counts
    "data.root",
    "data.download",
    "data.num_workers",
    "data.resident",
    "loss._partial_",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.strategy",
    "trainer.fused_steps",
    "trainer.log_every_n_steps",
    "trainer.enable_progress_bar",
    "trainer.enable_model_summary",
    "trainer.profiler",
    "trainer.detect_anomaly",
    "evaluation.batch_size",
    "keep_state",
    "continue_from.state",
    "continue_from.run",  # whose state it is; what it holds counts, as continue_from.sha256
}

# A mapping of these two is weights that a run depends on: what they are counts, by their hash, and not where they are.
WEIGHTS_AND_HASH = {"weights", "sha256"}

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
    "module._target_": "SupervisedModule",
    "loss.label_smoothing": 0,
    "data.resplit": False,
    "measures.adaptive_sharpness.norm": 2,
}

TOP_LEVEL = {"seed", "loss", "clip_norm", "channels_last", "compile", "init_from", "continue_from"}


def is_config_key(key: str) -> bool:
    """Return whether a column of a table of runs is a config value: a dotted key, or a value at the top level."""
    return "." in key or key in TOP_LEVEL


def counts(key: str) -> bool:
    """Return whether the value of a dotted config key is part of an identity."""
    parts = key.split(".")
    return not any(".".join(parts[:length]) in NOT_IDENTITY for length in range(1, len(parts) + 1))


def flat_values(cfg: DictConfig) -> dict[str, Any]:
    """Return what counts of a config as {"model.width": 8, ...}, resolved, without None and `NEUTRAL` values."""
    plain: Any = OmegaConf.to_container(cfg)
    refer = [text for _, text in references(plain)]
    if any(_may_lead_to_paths(text) for text in refer):
        plain = resolved_values(cfg, only_counting=True)
    elif refer:
        plain = {key: _resolved(cfg[key]) for key in plain if counts(key)}
    values: dict[str, Any] = {}
    for key, value in plain.items():
        flatten(key, value, values)
    return values


def references(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield key and text of every value that counts and refers to another, of a config that is not resolved."""
    if isinstance(value, dict):
        for name, child in value.items():
            inner = f"{key}.{name}" if key else str(name)
            if counts(inner):
                yield from references(child, inner)
    elif "${" in str(value):
        yield key, str(value)


def _may_lead_to_paths(text: str) -> bool:
    """Return whether a value refers to something other than values that count: these are looked at themselves."""
    named = re.findall(r"\$\{(\w[\w.]*)\}", text)
    return len(named) < text.count("${") or not all(map(counts, named))


def resolved_values(cfg: DictConfig, only_counting: bool = False) -> dict[str, Any]:
    """Return the config's values with every interpolation resolved but `${paths...}`, and without `hydra`.

    What a folder is called must not change a run's identity, so a value such as `${paths.logs}/pretraining` stays as
    it is, also where another value refers to it. `OmegaConf.create` of the result is a config that can be sent to
    another process, or written to a file, and still has the same identity there.

    Args:
        cfg: a config.
        only_counting: whether to leave out the top-level keys that do not count.
    """
    plain: Any = OmegaConf.to_container(cfg)
    plain.pop("hydra", None)
    masked = OmegaConf.create({**plain, "paths": _masked("paths", plain.get("paths") or {})})
    wanted = [key for key in plain if not only_counting or counts(key)]
    values = {key: _unmasked(_resolved(masked[key])) for key in wanted}
    return {**values, "paths": _resolved(cfg.paths)} if "paths" in wanted else values


def _resolved(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def _masked(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _masked(f"{key}.{name}", child) for name, child in value.items()}
    return f"<{key}>"


def _unmasked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unmasked(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_unmasked(child) for child in value]
    return re.sub(r"<(paths\.[^<>]+)>", r"${\1}", value) if isinstance(value, str) else value


def flatten(key: str, value: Any, out: dict[str, Any]) -> None:
    """Add the resolved `value` of `key` to flat values, leaf by leaf, in the form that is hashed."""
    if not counts(key):
        return
    if isinstance(value, Mapping):
        for name, child in value.items():
            if name != "weights" or value.keys() != WEIGHTS_AND_HASH:
                flatten(f"{key}.{name}", child, out)
        return
    if key.endswith("._target_"):
        value = PUBLISHED.get(value, value)
    elif isinstance(value, list):
        value = [_listed(item) for item in value]
    elif isinstance(value, float) and value.is_integer():
        value = int(value)  # 1.0 and 1, 1e3 and 1000 are one value
    if value is not None and (key not in NEUTRAL or value != NEUTRAL[key]):
        out[RENAMED.get(key, key)] = value


def _listed(item: Any) -> Any:
    """Return an item of a list in the form that is hashed."""
    if not isinstance(item, Mapping):
        return item
    values: dict[str, Any] = {}
    for name, child in item.items():
        flatten(f"[].{name}", child, values)
    return values


def identity(cfg: DictConfig) -> str:
    """Return the run's name, for example `mlp-w64-d1-n1200-p0.2-s0-1f0a9c33e2`.

    The prefix is for people, see `readable`; ten hexadecimal digits of SHA-256 over `flat_values` make it unique (the
    chance that any two of 10,000 runs collide is below 1e-4).
    """
    return name_of(flat_values(cfg))


def name_of(values: Mapping[str, Any]) -> str:
    """Return the identity of a run with these flat values (see `identity`)."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    digits = hashlib.sha256(text.encode()).hexdigest()[:10]
    return f"{readable(values, LONGEST - len(digits) - 1)}-{digits}"


def hash_of(name: str) -> str:
    """Return the digits of an identity: they alone tell runs apart, whatever a version had the rest read."""
    return name.rpartition("-")[2]


def run_directory(cfg: DictConfig) -> Path:
    """Return `<paths.logs>/<name>/<identity>`; raises `ConfigError` if the name is that of no single folder."""
    return run_folder(logs_folder(cfg.paths.logs) / folder_name(cfg.name), identity(cfg))


def run_folder(sweep: Path, name: str) -> Path:
    """Return the folder of the run with this identity in a sweep's.

    It is the one with the identity's digits, if there is one: what an earlier version began keeps the name it has.
    """
    try:
        names = _by_hash(sweep, sweep.stat().st_mtime_ns).get(hash_of(name), (name,))
    except (FileNotFoundError, NotADirectoryError):
        names = (name,)
    return sweep / (names[0] if len(names) == 1 else _one_of(sweep, names))


@lru_cache(maxsize=8)  # a folder that has not changed is not read again for each of its runs
def _by_hash(sweep: Path, modified: int) -> dict[str, tuple[str, ...]]:
    names = defaultdict(list)
    for name in sorted(os.listdir(sweep)):
        if re.search("-[0-9a-f]{10}$", name):
            names[hash_of(name)].append(name)
    return {digits: tuple(found) for digits, found in names.items()}


@cache  # said once
def _one_of(sweep: Path, names: tuple[str, ...]) -> str:
    """Return which of several folders of one run is taken, a finished one if there is one, and say so."""
    taken = min(names, key=lambda name: not (sweep / name / SUMMARY).exists())
    log.warning("%s: %s are one run, by their last digits; %s is taken", sweep, " and ".join(names), taken)
    return taken
