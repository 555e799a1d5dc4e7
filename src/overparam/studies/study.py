"""A study of the finished runs of a sweep: applied to each run, or to all seeds of a setting together."""

import hashlib
import inspect
import json
import logging
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl
from hydra.utils import get_method

from overparam.analysis.collect import collect
from overparam.analysis.drawing import save
from overparam.analysis.swept import is_choice, swept
from overparam.analysis.tables import write_csv
from overparam.errors import ConfigError
from overparam.models.pretrained import digest
from overparam.randomness import drawing
from overparam.runs.damage import DamagedRun, read_object, set_file_aside, what_is_wrong
from overparam.runs.identity import is_config_key
from overparam.runs.summary import SUMMARY, WEIGHTS, whole, write_json
from overparam.training.finished import FinishedRun, load_run
from overparam.training.knobs import typed

log = logging.getLogger(__name__)

Group = Literal["run", "seed", "steps", "samples", "draws"]
# The config keys in which the runs of a group may differ. The order of batches follows the seed; it is part of what
# makes two runs independent. Runs that differ in n may have drawn other data for every seed: their mean counts.
VARIED: dict[str, tuple[str, ...]] = {
    "run": (),
    "seed": ("seed", "data.order_seed"),
    "steps": ("trainer.max_steps",),
    "samples": ("data.n_train", "seed", "data.order_seed", "data.seed"),
    "draws": ("seed", "data.order_seed", "data.seed"),
}


def study(
    folder: Path,
    name: str,
    function: Callable[..., list[dict[str, Any]]],
    group: Group,
    knobs: dict[str, Any],
    only: Collection[str] | None = None,
) -> pl.DataFrame:
    """Apply `function(runs, **knobs)` to the runs of a sweep, and return its rows with the runs' config values.

    Results are kept in `<folder>/studies/<name>/`, one file for each group of runs; a second call computes only
    those that are missing. The whole table is `<folder>/studies/<name>.csv`, with its figure beside it.

    Args:
        folder: a sweep's folder.
        name: the study's name.
        function: a study: takes a list of `training.finished.FinishedRun`, returns rows. Beside an error `x`, a list
            `x_by_sample` of one number for each test sample, whose mean it is, lets a claim take the test set for a
            sample; it is not in the CSV.
        group: which runs the function is given together. "run": one run; "seed": all finished runs that differ in
            `seed` alone (their data must not depend on it: fix data.seed), in the order of seeds; "steps": those
            that differ in `trainer.max_steps` alone; "samples": those that differ in `data.n_train` and seeds; "draws":
            those that differ in seeds, of the data too.
        knobs: arguments of the function; and `figure`, of which `_target_` is a function
            `draw(table, title, **knobs) -> Figure`, and the rest its knobs.
        only: identities of the runs to use; None is all that are finished.

    Raises:
        ConfigError: if no run is finished, or a run kept no weights.
    """
    if group not in VARIED:
        raise ConfigError(f"study.group must be one of {', '.join(VARIED)}, got {group!r}")
    if (folder / SUMMARY).exists():
        raise ConfigError(
            f"{folder} is a run's directory: name the folder of its sweep, {folder.absolute().parent}"
        )
    table = collect(folder).filter(status="finished")
    if only is not None:
        table = table.filter(pl.col("identity").is_in(list(only)))
    if table.is_empty():
        raise ConfigError(f"no run in {folder} is finished")
    knobs = dict(knobs)
    figure = knobs.pop("figure", None)
    knobs = typed(function, knobs, prefix="study.")
    code = hashlib.sha256(Path(inspect.getfile(function)).read_bytes()).hexdigest()[:16]
    known = [key for key in table.columns if is_config_key(key) and key not in VARIED[group]]
    keys = [
        key for key in known if not is_choice(key)
    ]  # equal values are one setting, whatever file they came from
    order = [key for key in ("seed", "n_train", "trainer.max_steps") if key in table.columns]
    rows = []
    for _, runs in table.sort(order).group_by(pl.col(keys).cast(pl.String), maintain_order=True):
        identities = runs["identity"].to_list()
        weights = [digest(folder / identity / WEIGHTS) for identity in identities if kept(folder / identity)]
        stamp = json.dumps([identities, weights, name, code, knobs], sort_keys=True, default=str)
        path = folder / "studies" / name / f"{hashlib.sha256(stamp.encode()).hexdigest()[:12]}.json"
        found = _kept_rows(path)
        if found is None:
            loaded = _loaded([folder / identity for identity in identities])
            if not loaded:
                continue
            try:
                with drawing(seed=0):
                    found = function(loaded, **knobs)
            except ConfigError as error:
                if len(loaded) == len(identities):
                    raise
                log.warning("left out, for want of a run that is damaged: %s", error)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if len(loaded) == len(identities):
                write_json(path, {"runs": identities, "knobs": knobs, "rows": found})
        common = {**runs.select(known).row(0, named=True), "identity": identities[0]}
        rows += [{**common, **row} for row in found]
    if not rows:
        raise ConfigError(f"no run in {folder} could be studied: those that are finished are damaged")
    result = pl.DataFrame(rows, infer_schema_length=None)
    with whole(folder / "studies" / f"{name}.csv") as file:
        write_csv(result.select(pl.exclude("^.*_by_sample$")), file)
    if figure:
        _draw(result, f"{name}, {folder.name}", dict(figure), folder / "studies" / name)
    return result


def _kept_rows(path: Path) -> list[dict[str, Any]] | None:
    """Return what was computed before, if that can be read."""
    try:
        rows = read_object(path)["rows"]
        if not isinstance(rows, list):
            raise ValueError("it has no rows")
        return rows
    except FileNotFoundError:
        return None
    except (KeyError, ValueError) as error:
        set_file_aside(path, what_is_wrong(error))
        return None


def _loaded(run_dirs: Sequence[Path]) -> list[FinishedRun]:
    """Return the finished runs that can be read, and name the others."""
    loaded = []
    for run_dir in run_dirs:
        try:
            loaded.append(load_run(run_dir))
        except DamagedRun as error:
            log.warning("left out: %s", error)
    return loaded


def kept(run_dir: Path) -> bool:
    """Return whether a run has kept its weights."""
    return (run_dir / WEIGHTS).exists()


def _draw(table: pl.DataFrame, title: str, options: dict[str, Any], path: Path) -> None:
    draw = get_method(options.pop("_target_"))
    if "x" in options and options["x"] not in table.columns:
        return  # networks without a width have no curve over it
    if "series" in options:  # other swept keys are lines of their own, not averaged over
        others = [key for key in swept(table) if key not in (options["x"], *options["series"])]
        options["series"] = [*options["series"], *others]
    save(draw(table, title, **options), path)
