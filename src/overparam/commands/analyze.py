"""A study over the finished runs of a sweep: overparam-analyze study=mode_connectivity runs=logs/my_sweep."""

import inspect
import logging
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf

from overparam.commands.start import start_hydra, tell
from overparam.errors import ConfigError, fail
from overparam.paths import CONFIGS


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="analyze")
def run(cfg: DictConfig) -> None:
    """Compute the composed study, print its table and say where it stands."""
    import polars as pl
    import torch
    from hydra.core.hydra_config import HydraConfig

    from overparam.analysis.swept import swept
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
    seeds = [c for c in ("data.seed",) if c in table.columns and table[c].n_unique() > 1]
    found = [c for c in table.columns if "." not in c and c not in ("identity", "first", "second")]
    layout: Any = {"tbl_rows": 60, "tbl_cols": -1, "tbl_width_chars": 200, "float_precision": 4}
    with pl.Config(**layout, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
        shown = table.sort(swept(table), maintain_order=True)
        print(shown.select(list(dict.fromkeys([*swept(table), *seeds, *found]))))
    for path in sorted((folder / "studies").glob(f"{name}.*")):
        print(path)


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
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", module="lightning")  # of a study that trains
    return start_hydra(run)
