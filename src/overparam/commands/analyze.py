"""A study over the finished runs of a sweep: overparam-analyze study=mode_connectivity runs=logs/my_sweep."""

import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf

from overparam.commands.start import start_hydra
from overparam.errors import ExpectedError, fail
from overparam.paths import CONFIGS


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="analyze")
def run(cfg: DictConfig) -> None:
    """Compute the composed study, print its table and say where it stands."""
    import polars as pl
    import torch
    from hydra.core.hydra_config import HydraConfig
    from hydra.utils import get_method

    from overparam.analysis.collect import swept
    from overparam.studies.study import study

    torch.set_num_threads(1)
    knobs: Any = OmegaConf.to_container(cfg.study)
    target, group = knobs.pop("_target_"), knobs.pop("group")
    name = HydraConfig.get().runtime.choices["study"]
    folder = Path(cfg.runs)
    try:
        table = study(folder, name, get_method(target), group, knobs)
    except (ExpectedError, FileNotFoundError, ValueError) as error:
        sys.exit(fail(error))  # Hydra would print a line of its own first
    seeds = [c for c in ("data.seed",) if c in table.columns and table[c].n_unique() > 1]
    found = [c for c in table.columns if "." not in c and c not in ("identity", "first", "second")]
    layout: Any = {"tbl_rows": 60, "tbl_cols": -1, "tbl_width_chars": 200, "float_precision": 4}
    with pl.Config(**layout, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
        shown = table.sort(swept(table), maintain_order=True)
        print(shown.select(list(dict.fromkeys([*swept(table), *seeds, *found]))))
    for path in sorted((folder / "studies").glob(f"{name}.*")):
        print(path)


def main() -> int:
    """Do what the command line says; return the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", module="lightning")  # of a study that trains
    return start_hydra(run)
