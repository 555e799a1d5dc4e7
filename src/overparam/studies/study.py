"""A study of the finished runs of a sweep: once for every run, or once for all seeds of a setting."""

import hashlib
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Literal

import polars as pl
import torch
from hydra.utils import get_method

from overparam.analysis.collect import collect, swept
from overparam.analysis.figures import save
from overparam.errors import ConfigError
from overparam.runs.identity import SECTIONS
from overparam.runs.summary import write_json
from overparam.training.finished import load_run

Group = Literal["run", "seed", "steps", "samples"]
# What may differ between the runs of a group. The order of batches follows the seed; it is a part of what makes two
# runs independent. Runs that differ in n may have drawn other data for every seed: it is their mean that counts.
VARIED: dict[str, tuple[str, ...]] = {
    "run": (),
    "seed": ("seed", "data.order_seed"),
    "steps": ("trainer.max_steps",),
    "samples": ("data.n_train", "seed", "data.order_seed", "data.seed"),
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

    What was computed stays in `<folder>/studies/<name>/`, a file a group of runs; a second call computes only
    what is new. The whole table goes to `<folder>/studies/<name>.csv`, and its figure beside it.

    Args:
        folder: a sweep's folder.
        name: the study's name.
        function: a study: takes a list of `training.finished.FinishedRun`, returns rows.
        group: what the function is given at a time. "run": one run; "seed": all finished runs that differ in `seed`
            alone (their data too must not depend on it: fix data.seed), in the order of seeds; "steps": those
            that differ in `trainer.max_steps` alone; "samples": those that differ in `data.n_train` and seeds.
        knobs: arguments of the function; and `figure`, of which `_target_` is a function
            `draw(table, title, **knobs) -> Figure`, and the rest its knobs.
        only: identities of the runs to look at; None is all that are finished.

    Raises:
        ConfigError: if no run is finished, or a run kept no weights.
    """
    table = collect(folder).filter(status="finished")
    if only is not None:
        table = table.filter(pl.col("identity").is_in(list(only)))
    if table.is_empty():
        raise ConfigError(f"no run in {folder} is finished")
    knobs = dict(knobs)
    figure = knobs.pop("figure", None)
    keys = [c for c in table.columns if c.partition(".")[0] in SECTIONS and c not in VARIED[group]]
    text = [pl.col(key).cast(pl.String) if table[key].dtype != pl.List else pl.col(key) for key in keys]
    rows = []
    for _, runs in (
        table.sort("seed", "n_train", "trainer.max_steps")
        .with_row_index()
        .group_by(text, maintain_order=True)
    ):
        identities = runs["identity"].to_list()
        config = {key: runs[key][0] for key in keys}
        stamp = json.dumps([identities, name, knobs], sort_keys=True, default=str)
        path = folder / "studies" / name / f"{hashlib.sha256(stamp.encode()).hexdigest()[:12]}.json"
        if not path.exists():
            loaded = [load_run(folder / identity) for identity in identities]
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                found = function(loaded, **knobs)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, {"runs": identities, "knobs": knobs, "rows": found})
        found = json.loads(path.read_text())["rows"]
        rows += [{**config, "identity": identities[0], **row} for row in found]
    result = pl.DataFrame(rows, infer_schema_length=None)
    result.write_csv(folder / "studies" / f"{name}.csv")
    if figure:
        _draw(result, f"{name}, {folder.name}", figure, folder / "studies" / name)
    return result


def _draw(table: pl.DataFrame, title: str, figure: dict[str, Any], path: Path) -> None:
    options = dict(figure)
    draw = get_method(options.pop("_target_"))
    if "x" in options and options["x"] not in table.columns:
        return  # networks without a width have no curve over it
    if "series" in options:  # whatever else was swept is told apart too, instead of averaged over
        others = [key for key in swept(table) if key not in (options["x"], *options["series"])]
        options["series"] = [*options["series"], *others]
    save(draw(table, title, **options), path)
