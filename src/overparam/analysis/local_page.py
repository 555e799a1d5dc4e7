"""The page of a sweep: one HTML file that opens offline and holds all its data."""

import base64
import gzip
import html
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from overparam.analysis.axes import CATEGORICAL, SEQUENTIAL, label, spoken
from overparam.analysis.commands import as_typed, run_command
from overparam.analysis.curves import SEEDS_FOR_A_BAND
from overparam.analysis.drawing import MOST_DOTS, is_number
from overparam.analysis.figures import SAMPLES, THEORY, THRESHOLD_ALONG, WIDTH, is_regression
from overparam.analysis.layout import (
    MOST_COLORS,
    MOST_COLUMNS,
    MOST_DASHES,
    MOST_LINES,
    MOST_PANELS,
    MOST_ROWS,
    NOISE,
)
from overparam.analysis.views import derived
from overparam.errors import printable
from overparam.runs.identity import is_config_key
from overparam.runs.summary import EPSILON, whole

PARTS = Path(__file__).parent / "page"
SCRIPTS = (
    *("data.js", "layout.js", "axes.js", "curves.js", "lines.js", "heat.js", "plot.js", "figure.js"),
    *("chosen.js", "training.js", "filters.js", "table.js", "page.js"),
)
QUANTITIES = ("test_error", "train_error", "test_loss", "train_loss")
DERIVED = ("gap_error", "noise_fitted")
SIZES = ("params_per_sample", "params")
ORIGIN = ("git_commit", "git_dirty", "host", "device")
TABLE = (
    *("params_per_sample", "regime", "train_error", "test_error", "test_loss"),
    *("interpolation_step", "status"),
)
PAGE_LABELS = {"interpolation_step": "fits at step"}
DARK = ("#4fa8e0", "#f2874b", "#2fc19a", "#dfa0c4", "#e9b949", "#8fd0f5", "#ffffff")  # CATEGORICAL on black
MOST_STEPS = 500_000  # rows of training curves; beyond, evenly fewer steps are kept
DIGITS = 4  # of a number on the page; the tables beside it have them all
# What the page lays out and draws by, as the figures do.
RULES = {
    "colors": MOST_COLORS,
    "columns": MOST_COLUMNS,
    "dashes": MOST_DASHES,
    "dots": MOST_DOTS,
    "epsilon": EPSILON,
    "lines": MOST_LINES,
    "noise": NOISE,
    "panels": MOST_PANELS,
    "rows": MOST_ROWS,
    "samples": SAMPLES,
    "seedsForABand": SEEDS_FOR_A_BAND,
    "thresholdAlong": THRESHOLD_ALONG,
    "width": WIDTH,
}


def write_page(
    path: Path,
    title: str,
    runs: pl.DataFrame,
    steps: pl.DataFrame,
    keys: list[str],
    files: Iterable[Path] = (),
) -> Path:
    """Write the page of `runs` and their training to `path`, and return it.

    Args:
        path: the HTML file, in a folder beside the runs' directories.
        title: the sweep's name.
        runs: a row for each run, failed ones too, see `collect`.
        steps: a row for each evaluation, see `collect_steps`.
        keys: the swept config keys.
        files: what else there is to open: figures, tables, results of studies.
    """
    content = {**page_data(title, runs, steps, keys), "links": links(path.parent, files)}
    said = json.dumps(content, separators=(",", ":"), allow_nan=False)
    packed = base64.b64encode(gzip.compress(said.encode(), compresslevel=6, mtime=0)).decode()
    text = (PARTS / "index.html").read_text("utf-8")
    parts = {"TITLE": html.escape(title), "DATA": packed}
    parts |= {
        "STYLE": (PARTS / "page.css").read_text("utf-8"),
        "SCRIPT": "\n".join((PARTS / name).read_text("utf-8") for name in SCRIPTS),
    }
    with whole(path) as file:
        # In one go: a part may hold the name of another.
        file.write_text(re.sub("__([A-Z]+)__", lambda found: parts[found[1]], text), "utf-8")
    return path


def links(folder: Path, files: Iterable[Path]) -> dict[str, list[tuple[str, str]]]:
    """Return names and addresses of files, relative to the page's folder, by what they are."""
    found: dict[str, list[tuple[str, str]]] = {}
    for file in sorted(files):
        is_study = file.parent.name == "studies"
        if file.suffix == ".png" or is_study or file.suffix in (".csv", ".parquet"):
            group = "Studies" if is_study else "Figures" if file.suffix == ".png" else "Tables"
            name = file.stem.replace("_", " ") if group == "Figures" else file.name
            relative = Path(os.path.relpath(file, folder)).as_posix()
            found.setdefault(group, []).append((name, f"./{quote(relative)}"))
    return found


def page_data(title: str, runs: pl.DataFrame, steps: pl.DataFrame, keys: list[str]) -> dict[str, Any]:
    """Return what the page shows, as JSON values."""
    runs = derived(runs.sort("identity"))
    known = runs.filter(pl.col("seed").is_not_null())
    seeds = [key for key in runs.columns if key == "seed" and key not in keys]
    varied = {key for key in runs.columns if runs[key].n_unique() > 1}
    measured = [key for key in runs.columns if key in varied and _is_measured(runs, key)]
    found = [key for key in DERIVED if not runs[key].is_null().all()]
    quantities = [*QUANTITIES, *found, *measured]
    table = ["identity", *keys, *seeds, *TABLE[:-1], *measured, *TABLE[-1:]]
    table = [key for key in table if not runs[key].is_null().all()]
    columns = list(dict.fromkeys([*table, *keys, *seeds, *TABLE, "reason", *QUANTITIES, *SIZES, *found]))
    settings = [key for key in (*ORIGIN, *filter(is_config_key, runs.columns)) if key not in varied]
    origins = {key: ", ".join(map(str, runs[key].unique().drop_nulls())) for key in ORIGIN if key in varied}
    shared = {**origins, **{key: runs[key][0] for key in settings}}
    regression = is_regression(runs.filter(status="finished"))
    named = [*columns, *keys]
    commands = runs["command"].drop_nulls().unique(maintain_order=True).head(5)
    return {
        "title": title,
        "commands": [printable(as_typed(command)) for command in commands],
        "shared": {key: value for key, value in shared.items() if value is not None},
        "keys": keys,
        "numeric": [key for key in keys if is_number(known, key)],
        "sizes": list(SIZES),
        "quantities": quantities,
        "pairs": [f"test_{kind},train_{kind}" for kind in (["error"] if regression else ["error", "loss"])],
        "theory": THEORY,
        "labels": {**{key: spoken(key) for key in named}, **PAGE_LABELS, **_pairs(regression)},
        "axis": {**{key: label(key) for key in [*named, "step"]}, **PAGE_LABELS, **_pairs(regression)},
        "rules": RULES,
        "palette": CATEGORICAL,
        "paletteDark": DARK,
        "sequential": [[round(255 * part) for part in SEQUENTIAL(i / 16)[:3]] for i in range(17)],
        "table": table,
        "columns": {name: _values(runs[name], name in keys) for name in columns}
        | {"command": _commands(runs, keys)},
        "steps": _curves(runs["identity"], steps, quantities),
    }


def _pairs(regression: bool) -> dict[str, str]:
    """Return the names of errors and losses; the error of a regression is a mean square."""
    error = "mean squared error" if regression else "error"
    names = {f"{part}_error": f"{part} {error}" for part in ("test", "train")}
    return {
        **names,
        "test_error,train_error": f"test and train {error}",
        "test_loss,train_loss": "test and train loss",
    }


def _commands(runs: pl.DataFrame, keys: Sequence[str]) -> list[str | None]:
    """Return the command of each run, as it may stand in a terminal."""
    wanted = [*keys, *(["seed"] if "seed" not in keys and runs["seed"].n_unique() > 1 else [])]
    rows = runs.select([name for name in runs.columns if is_config_key(name)]).iter_rows(named=True)
    made = (run_command(*given, wanted) for given in zip(runs["command"], rows, strict=True))
    return [printable(command) if command else None for command in made]


def _is_measured(runs: pl.DataFrame, column: str) -> bool:
    """Return whether a column is a number that training found, other than `QUANTITIES`."""
    others = (*QUANTITIES, *DERIVED, *SIZES, *TABLE, "n_train", "num_outputs")
    return runs[column].dtype.is_numeric() and column not in others and not is_config_key(column)


def _values(series: pl.Series, is_exact: bool = False) -> list[Any]:
    if series.dtype.is_float():
        kept = series if is_exact else series.round_sig_figs(DIGITS)
        series = pl.select(pl.when(series.is_finite()).then(kept)).to_series()
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
