"""Which finished run another starts from, or learns from."""

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from overparam.errors import ConfigError, counted
from overparam.runs.damage import read_object
from overparam.runs.identity import counts, flat_values
from overparam.runs.summary import SUMMARY, WEIGHTS


def find_weights(knob: str, given: str, cfg: DictConfig) -> Path:
    """Return the file of weights that a knob such as `init_from` names for a run.

    Args:
        knob: the knob's dotted key, for messages.
        given: a file of weights, a run's directory, or a sweep's folder: then its finished run that has the
            model and the seed of `cfg`.
        cfg: the run's config, its width resolved.

    Raises:
        ConfigError: if there is no such file, or no such run, or several.
    """
    path = Path(given)
    if not path.is_dir():
        if not path.is_file():
            raise ConfigError(f"{knob}={given}: there is no such file or folder")
        return path
    if (path / WEIGHTS).exists():
        return path / WEIGHTS
    mine = _model_and_seed(flat_values(cfg))
    runs = [summary.parent for summary in path.glob(f"*/{SUMMARY}") if _trained(summary) == mine]
    runs = [run for run in runs if (run / WEIGHTS).exists()]
    if len(runs) != 1:
        found = counted(len(runs), "finished run") if runs else "no finished run"
        raise ConfigError(
            f"{knob}={given} has {found} with this model and seed={cfg.seed}: train it, or name one"
        )
    return runs[0] / WEIGHTS


def may_name_weights(values: Mapping[str, Any]) -> bool:
    """Return whether a knob that counts may name a file or folder, from which only `training` can tell."""
    return any(
        isinstance(value, str)
        and counts(key)
        and not key.rpartition(".")[2].startswith("_")
        and (os.sep in value or os.path.exists(value))  # a text may be longer than any name
        for key, value in values.items()
    )


def _trained(summary: Path) -> dict[str, Any]:
    return _read_trained(summary, summary.stat().st_mtime_ns)


@lru_cache(maxsize=65536)
def _read_trained(summary: Path, modified: int) -> dict[str, Any]:
    try:
        return _model_and_seed(read_object(summary)["config"])
    except (ValueError, KeyError, AttributeError):
        return {}  # damaged: it is no finished run


def _model_and_seed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key.startswith("model.") or key == "seed"}
