"""A study of the finished runs of a sweep: once for every run, or once for all seeds of a setting."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import polars as pl
import torch

from overparam.analysis.collect import collect
from overparam.assemble import ConfigError
from overparam.studies.finished import load_run
from overparam.sweeps.identity import SECTIONS
from overparam.tracking.summary import write_json

Group = Literal["run", "seed"]


def study(
    folder: Path,
    name: str,
    function: Callable[..., list[dict[str, Any]]],
    group: Group,
    knobs: dict[str, Any],
) -> pl.DataFrame:
    """Apply `function(runs, **knobs)` to the runs of a sweep, and return its rows with the runs' config values.

    What was computed stays in `<folder>/studies/<name>/`, a file a group of runs; a second call computes only
    what is new. The whole table goes to `<folder>/studies/<name>.csv`.

    Args:
        folder: a sweep's folder.
        name: the study's name.
        function: a study: takes a list of `finished.FinishedRun`, returns rows.
        group: "run": the function is given one run at a time; "seed": all finished runs that differ in `seed`
            alone (their data too must not depend on it: fix data.seed), in the order of seeds.
        knobs: arguments of the function.

    Raises:
        ConfigError: if no run is finished, or a run kept no weights.
    """
    table = collect(folder).filter(status="finished")
    if table.is_empty():
        raise ConfigError(f"no run in {folder} is finished")
    # The order of batches follows the seed; it is a part of what makes two runs independent.
    repeated = ("seed", "data.order_seed") if group == "seed" else ()
    keys = [c for c in table.columns if c.partition(".")[0] in SECTIONS and c not in repeated]
    text = [pl.col(key).cast(pl.String) if table[key].dtype != pl.List else pl.col(key) for key in keys]
    rows = []
    for _, runs in table.sort("seed").with_row_index().group_by(text, maintain_order=True):
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
    return result
