"""A study over the finished runs of a sweep: python scripts/analyze.py study=mode_connectivity runs=logs/my_sweep."""

import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException


@hydra.main(version_base="1.3", config_path="../configs", config_name="analyze")
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
    table = study(folder, name, get_method(target), group, knobs)
    config = [c for c in table.columns if "." in c]
    shown = [*swept(table), *(c for c in table.columns if c not in config and c != "identity")]
    with pl.Config(tbl_cols=-1, tbl_rows=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
        print(table.select(list(dict.fromkeys(shown))))
    print(folder / "studies" / f"{name}.csv")


def main() -> int:
    """Run with every expected mistake said in one line; return the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    warnings.filterwarnings("ignore", category=FutureWarning)
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        run()
    except (HydraException, OmegaConfBaseException, FileNotFoundError, ValueError) as error:
        return fail(error)
    except Exception as error:
        if type(error).__name__ == "ConfigError":
            return fail(error)
        raise
    return 0


def fail(error: Exception) -> int:
    """Print the error in one line."""
    print("error: " + " ".join(str(error).split()), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
