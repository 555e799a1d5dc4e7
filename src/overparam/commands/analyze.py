"""A study over the finished runs of a sweep: overparam-analyze study=mode_connectivity runs=logs/my_sweep."""

import inspect
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf

from overparam.commands.start import quiet, start_hydra, tell
from overparam.errors import ConfigError, fail, printable
from overparam.garbage import importing
from overparam.paths import CONFIGS


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="analyze")
def run(cfg: DictConfig) -> None:
    """Compute the composed study, sum up its table and say where it stands."""
    from hydra.core.hydra_config import HydraConfig

    with importing():
        import torch

        from overparam.analysis.printed import print_study
        from overparam.studies.study import study

    torch.set_num_threads(1)
    try:
        function, group, knobs = _checked(cfg)
        name, folder = HydraConfig.get().runtime.choices["study"], Path(cfg.runs)
        table = study(folder, name, function, group, knobs)
    except ValueError as error:
        sys.exit(fail(error))  # Hydra would print a line of its own first
    except Exception as error:
        sys.exit(tell(error))
    drawn = knobs.get("figure") or {}
    print_study(table, name, [drawn.get("x", ""), *drawn.get("y", ())])
    for path in sorted((folder / "studies").glob(f"{name}.*")):
        print(printable(str(path)))


def _checked(cfg: DictConfig) -> tuple[Callable[..., Any], Any, dict[str, Any]]:
    """Return the study's function, its group and its knobs; raises `ConfigError` if it cannot be called so."""
    from overparam.training.instantiate import target

    if not isinstance(cfg.runs, str):
        raise ConfigError(f"runs must be the folder of a sweep, got {cfg.runs!r}")
    knobs: Any = OmegaConf.to_container(cfg.study) if OmegaConf.is_dict(cfg.get("study")) else {}
    for key in ("_target_", "group"):
        if knobs.get(key) is None:
            raise ConfigError(f"the study has no {key}: choose one of configs/study/")
    function, group = target("study", {"_target_": knobs.pop("_target_")}), knobs.pop("group")
    try:
        inspect.signature(function).bind([], **{key: knobs[key] for key in knobs if key != "figure"})
    except TypeError as error:
        raise ConfigError(f"study: {function.__name__}: {error}") from error
    return function, group, knobs


def main() -> int:
    """Do what the command line says; return the exit code."""
    quiet(logging.WARNING)
    return start_hydra(run)
