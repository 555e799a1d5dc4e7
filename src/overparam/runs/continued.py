"""Which finished run another continues: the same run with a larger `trainer.max_steps`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from overparam.errors import ConfigError, counted
from overparam.runs.damage import DamagedRun, damage
from overparam.runs.identity import flat_values, run_folder
from overparam.runs.names import folder_name, logs_folder
from overparam.runs.summary import SUMMARY, read_summary

STATE = "state.ckpt"  # of a finished run with keep_state: the Trainer's checkpoint at its last step
LENGTH = {
    "trainer.max_steps",
    "continue_from",
    "continue_from.sha256",
}  # what tells a longer run from a shorter one


def find_state(given: str, cfg: DictConfig) -> Path:
    """Return the final state that `continue_from` names for a run.

    Args:
        given: a run's directory; its identity, of a run of the same sweep; or a sweep's folder: then its finished run
            that differs from `cfg` in nothing but a smaller `trainer.max_steps`.
        cfg: the run's config.

    Raises:
        ConfigError: if there is no such run, or several; if it kept no state, or is not the same run but shorter.
    """
    mine = json.loads(json.dumps(flat_values(cfg)))
    path = Path(given)
    if "/" not in given and not path.is_dir():
        path = run_folder(logs_folder(cfg.paths.logs) / folder_name(cfg.name), given)
    if not path.is_dir():
        raise ConfigError(f"continue_from={given}: there is no such folder")
    if not (path / SUMMARY).exists():
        path = _of_sweep(given, path, mine)
    if said := damage(path):
        raise DamagedRun(f"continue_from={given}: {said}; the command that trained it trains it again")
    values = (read_summary(path) or {})["config"]
    if key := next(
        (key for key in sorted({*mine, *values} - LENGTH) if mine.get(key) != values.get(key)), None
    ):
        follows = f": its schedule follows trainer.max_steps, so choose scheduler=constant or set {key}"
        raise ConfigError(
            f"continue_from={given}: {key} was {values.get(key)} and is {mine.get(key)}"
            + (follows if key.startswith("scheduler.") else ", and a run continues as it was")
        )
    if values["trainer.max_steps"] >= mine["trainer.max_steps"]:
        raise ConfigError(
            f"continue_from={given}: that run has trained for {counted(values['trainer.max_steps'], 'step')}: "
            f"set a larger trainer.max_steps than {mine['trainer.max_steps']}"
        )
    if not (path / STATE).exists():
        raise ConfigError(
            f"continue_from={given}: {path.name} has no {STATE}, for it was trained without keep_state=true"
        )
    return path / STATE


def _of_sweep(given: str, sweep: Path, mine: Mapping[str, Any]) -> Path:
    runs = []
    for summary in sorted(sweep.glob(f"*/{SUMMARY}")):
        if damage(summary.parent):
            continue  # it is no finished run
        values = (read_summary(summary.parent) or {})["config"]
        is_same = all(mine.get(key) == values.get(key) for key in {*mine, *values} - LENGTH)
        if is_same and values["trainer.max_steps"] < mine["trainer.max_steps"]:
            runs.append(summary.parent)
    if len(runs) != 1:
        found = counted(len(runs), "finished run") if runs else "no finished run"
        what = "that are this one but shorter: name one" if runs else "that is this one but shorter"
        raise ConfigError(f"continue_from={given} has {found} {what}")
    return runs[0]
