"""A sweep from its grid to its report."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from overparam.sweeps.grid import expand
from overparam.tracking.summary import SUMMARY

log = logging.getLogger(__name__)


class SweepFailed(Exception):
    """Some runs of a sweep failed; the message names them."""


def run_sweep(
    loader: ConfigLoader, master: DictConfig, grid: Sequence[Sequence[str]], launcher: Launcher
) -> list[Any]:
    """Check every run of the grid, launch those that are not finished, and report on the folder.

    Raises:
        ConfigError: before any run starts, if one of them could not be trained as asked.
        SweepFailed: after all runs ended, if some failed.
    """
    from overparam.analysis.report import report
    from overparam.assemble import assemble

    runs = expand(loader, master, grid)
    for run in runs:
        assemble(run.cfg).require_data()
    folder = Path(master.hydra.sweep.dir)
    todo = [run for run in runs if not (folder / run.identity / SUMMARY).exists()]
    log.info("%s: %d runs, %d finished, %d to train", folder, len(runs), len(runs) - len(todo), len(todo))
    results = list(launcher.launch([run.overrides for run in todo], initial_job_idx=0)) if todo else []
    failed = {
        run.identity: result._return_value
        for run, result in zip(todo, results, strict=True)
        if isinstance(result._return_value, Exception)
    }
    if len(failed) < len(runs):
        report(folder)
    if failed:
        name, reason = next(iter(failed.items()))
        raise SweepFailed(
            f"{len(failed)} of {len(runs)} runs failed; the first is {folder / name}: {reason!r}"
        )
    return results
