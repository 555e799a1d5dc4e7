"""The page of a sweep: one HTML file that opens offline and holds all its data."""

import base64
import gzip
import html
import json
import re
from pathlib import Path
from typing import Any

import polars as pl

from overparam.analysis.axes import LABELS, spoken
from overparam.runs.identity import is_config_key
from overparam.runs.summary import whole

PARTS = Path(__file__).parent / "page"
QUANTITIES = ("test_error", "train_error", "test_loss", "train_loss")
SIZES = ("params_per_sample", "params")
ORIGIN = ("git_commit", "git_dirty", "host", "device")
TABLE = (
    *("params_per_sample", "regime", "train_error", "test_error", "test_loss"),
    *("interpolation_step", "status"),
)
PAGE_LABELS = {
    **LABELS,
    "params_per_sample": "P/n",
    "params": "parameters P",
    "interpolation_step": "fits at step",
}
MOST_STEPS = 500_000  # rows of training curves; beyond, evenly fewer steps are kept
DIGITS = 4  # of a number on the page; the tables beside it have them all


def write_page(path: Path, title: str, runs: pl.DataFrame, steps: pl.DataFrame, keys: list[str]) -> Path:
    """Write the page of `runs` and their training to `path`, and return it.

    Args:
        path: the HTML file.
        title: the sweep's name.
        runs: a row for each run, failed ones too, see `collect`.
        steps: a row for each evaluation, see `collect_steps`.
        keys: the swept config keys.
    """
    content = json.dumps(page_data(title, runs, steps, keys), separators=(",", ":"), allow_nan=False)
    packed = base64.b64encode(gzip.compress(content.encode(), compresslevel=6, mtime=0)).decode()
    text = (PARTS / "index.html").read_text()
    parts = {"TITLE": html.escape(title), "DATA": packed}
    parts |= {
        "STYLE": (PARTS / "page.css").read_text(),
        "SCRIPT": "\n".join((PARTS / name).read_text() for name in ("chart.js", "page.js")),
    }
    with whole(path) as file:
        # In one go: a part may hold the name of another.
        file.write_text(re.sub("__([A-Z]+)__", lambda found: parts[found[1]], text))
    return path


def page_data(title: str, runs: pl.DataFrame, steps: pl.DataFrame, keys: list[str]) -> dict[str, Any]:
    """Return what the page shows, as JSON values."""
    runs = runs.sort("identity")
    seeds = [key for key in runs.columns if key == "seed" and key not in keys]
    varied = {key for key in runs.columns if runs[key].n_unique() > 1}
    measured = [key for key in runs.columns if key in varied and _is_measured(runs, key)]
    columns = ["identity", "status", "reason", *keys, *seeds, *QUANTITIES, *TABLE, *SIZES, *measured]
    settings = [key for key in (*ORIGIN, *filter(is_config_key, runs.columns)) if key not in varied]
    origins = {key: ", ".join(map(str, runs[key].unique().drop_nulls())) for key in ORIGIN if key in varied}
    shared = {**origins, **{key: runs[key][0] for key in settings}}
    return {
        "title": title,
        "commands": runs["command"].drop_nulls().unique(maintain_order=True).to_list()[:5],
        "shared": {key: value for key, value in shared.items() if value is not None},
        "keys": keys,
        "sizes": list(SIZES),
        "quantities": [*QUANTITIES, *measured],
        "labels": {
            **{column: column.replace("_", " ") for column in columns},
            **{key: spoken(key) for key in keys},
            **PAGE_LABELS,
        },
        "table": ["identity", *keys, *seeds, *TABLE],
        "columns": {name: _values(runs[name]) for name in dict.fromkeys(columns)},
        "steps": _curves(runs["identity"], steps, [*QUANTITIES, *measured]),
    }


def _is_measured(runs: pl.DataFrame, column: str) -> bool:
    """Return whether a column is a number that training found, other than `QUANTITIES`."""
    others = (*QUANTITIES, *SIZES, *TABLE, "n_train", "num_outputs")
    return runs[column].dtype.is_numeric() and column not in others and not is_config_key(column)


def _values(series: pl.Series) -> list[Any]:
    if series.dtype.is_float():
        finite = series.is_finite()
        series = pl.select(pl.when(finite).then(series).round_sig_figs(DIGITS)).to_series()
    return series.to_list()


def _curves(identities: pl.Series, steps: pl.DataFrame, quantities: list[str]) -> dict[str, Any]:
    """Return steps and quantities of all runs end to end, and where each run starts."""
    steps = steps.filter(pl.col("identity").is_in(identities.implode()))
    if len(steps) > MOST_STEPS:
        is_evaluation = pl.col("test_error").is_not_null()  # else a module or callback logged it in between
        steps = pl.concat([_thinned(steps.filter(is_evaluation)), _thinned(steps.filter(~is_evaluation))])
    steps = steps.sort("identity", "step")
    counts = dict(steps.group_by("identity").len().iter_rows())
    start = [0]
    for identity in identities:
        start.append(start[-1] + counts.get(identity, 0))
    values = {name: _values(steps[name]) for name in quantities if name in steps.columns}
    return {"start": start, "step": steps["step"].to_list(), "quantities": values}


def _thinned(steps: pl.DataFrame) -> pl.DataFrame:
    kept = steps["step"].unique().sort()
    every = max(-(-len(steps) // MOST_STEPS), 1)
    return steps.filter(pl.col("step").is_in([*kept.gather_every(every), *kept.tail(1)]))
