"""Run directories as two tidy tables: a row a run, and a row an evaluation.

In a notebook:

    from overparam.analysis.collect import collect, collect_steps

    runs = collect("logs/model_wise")  # or collect("logs"), or any list of sweeps and runs
    runs.filter(status="finished").group_by("model.width").agg(pl.col("test_error").mean())
    steps = collect_steps("logs/model_wise").join(runs.select("identity", "model.width"), on="identity")

What was read stays in `<sweep>/report/cache/`; later calls read only the runs that changed since. The folder
may be deleted at any time.
"""

import io
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import polars as pl
from omegaconf import DictConfig, OmegaConf

from overparam.sweeps.identity import SECTIONS, flat_values
from overparam.sweeps.state import FAILURE, read_failure
from overparam.tracking.metrics_file import METRICS, whole_lines
from overparam.tracking.summary import SUMMARY, Summary, read_summary, regime

REPORT, CONFIG, PROVENANCE = "report", "config.yaml", "provenance.json"
UNFINISHED = (FAILURE, METRICS, CONFIG)
KEPT_PROVENANCE = ("git_commit", "git_dirty", "device", "host", "command")
DTYPES = {str: pl.String, int: pl.Int64, float: pl.Float64}


def collect(*folders: str | Path) -> pl.DataFrame:
    """Return one row a run of the given sweep folders, folders of sweeps, or run directories.

    Columns: `identity`, `name` (the sweep), `status` ("finished", "failed", or "unfinished": running or
    killed), `reason` (why it failed), `regime`, every key of `summary.json`, every config value by its dotted
    key ("model.width"), and where the run came from (`git_commit`, `host`, `device`, `command`). A finished
    run's summary values are typed as `tracking.summary.Summary` declares them; a run that did not finish has
    nulls. Config values are integers, floats, booleans, or text, whichever holds all runs.

    Raises:
        FileNotFoundError: if there is no run.
    """
    records = [record for sweep, runs in _sweeps(folders) for record in _refreshed(sweep, runs)[0]]
    return _typed(records)


def collect_steps(*folders: str | Path) -> pl.DataFrame:
    """Return one row an evaluation: `identity`, `step`, and the columns of `metrics.csv` as floats.

    Raises:
        FileNotFoundError: if there is no run.
    """
    tables = [_refreshed(sweep, runs)[1] for sweep, runs in _sweeps(folders)]
    return pl.concat(tables, how="diagonal_relaxed")


def swept(table: pl.DataFrame) -> list[str]:
    """Return the config keys that differ between runs, those with most values first.

    Left out are seeds, which are repetitions, and keys that another swept key determines: the length of a
    schedule that follows `trainer.max_steps`, or the momentum that only one of two optimizers has.
    """
    keys = [key for key in table.columns if key.partition(".")[0] in SECTIONS and "seed" not in key]
    counts = {key: table[key].n_unique() for key in keys}
    # Of two keys that determine each other the one that a person sets is kept, hence width before the rest.
    varied = sorted((key for key in keys if counts[key] > 1), key=lambda key: (-counts[key], _rank(key)))
    kept: list[str] = []
    for key in varied:
        if not any(table.select(other, key).n_unique() == counts[other] for other in kept):
            kept.append(key)
    return kept


def _rank(key: str) -> tuple[int, str]:
    first = (
        "model.width",
        "model.depth",
        "data.n_train",
        "trainer.max_steps",
        "data.label_noise",
        "optimizer.lr",
    )
    return (first.index(key) if key in first else len(first) + key.startswith("scheduler"), key)


def _is_run(folder: Path) -> bool:
    return any((folder / name).exists() for name in (CONFIG, SUMMARY, FAILURE))


def _sweeps(folders: Iterable[str | Path]) -> list[tuple[Path, list[str]]]:
    """Return the sweep folders among and directly below `folders`, each with the names of its runs."""
    found: dict[Path, list[str]] = {}
    given = [Path(folder) for folder in folders]
    for folder in given:
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is not a folder")
        if _is_run(folder):
            found.setdefault(folder.parent, []).append(folder.name)
            continue
        for sweep in (folder, *_subfolders(folder)):
            if runs := [run.name for run in _subfolders(sweep) if _is_run(run)]:
                found[sweep] = runs
                if sweep == folder:
                    break
    if not found:
        raise FileNotFoundError(f"no run in {', '.join(map(str, given))}: a run's directory holds a {CONFIG}")
    return [(sweep, sorted(runs)) for sweep, runs in found.items()]


def _subfolders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if entry.is_dir())


def _stamp(run_dir: Path) -> str:
    """Return what changes when the run has something new to say."""
    stamps = []
    for name in (SUMMARY, *UNFINISHED):
        try:
            stat = os.stat(run_dir / name)
        except FileNotFoundError:
            continue
        stamps.append(f"{name}:{stat.st_mtime_ns}:{stat.st_size}")
        if name == SUMMARY:
            break
    return " ".join(stamps)


def _refreshed(sweep: Path, runs: list[str]) -> tuple[list[dict[str, Any]], pl.DataFrame]:
    """Return the records and the steps of `runs`, reading those that changed and keeping all in the cache."""
    now = pl.DataFrame({"run": runs, "stamp": [_stamp(sweep / run) for run in runs]})
    folder = sweep / REPORT / "cache"
    try:
        cached, steps = pl.read_parquet(folder / "runs.parquet"), pl.read_parquet(folder / "steps.parquet")
    except (OSError, pl.exceptions.PolarsError):
        cached = pl.DataFrame(schema={"run": pl.String, "stamp": pl.String, "record": pl.String})
        steps = pl.DataFrame(schema={"identity": pl.String, "step": pl.Int64})
    changed = now.join(cached, on=["run", "stamp"], how="anti")["run"].to_list()
    if changed:
        fresh = now.filter(pl.col("run").is_in(changed)).with_columns(
            record=pl.Series([json.dumps(_record(sweep / run)) for run in changed], dtype=pl.String)
        )
        cached = pl.concat([cached.filter(~pl.col("run").is_in(changed)), fresh])
        kept = steps.filter(~pl.col("identity").is_in(changed))
        steps = pl.concat([kept, _read_steps(sweep, changed)], how="diagonal_relaxed").sort(
            "identity", "step"
        )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _replace(cached, folder / "runs.parquet")
            _replace(steps, folder / "steps.parquet")
        except OSError:
            pass  # someone else's folder: nothing is kept, nothing is lost
    wanted = now.select("run").join(cached, on="run", how="left", maintain_order="left")
    return [json.loads(text) for text in wanted["record"]], steps.filter(pl.col("identity").is_in(runs))


def _replace(table: pl.DataFrame, path: Path) -> None:
    temporary = path.with_suffix(f".{os.getpid()}")
    table.write_parquet(temporary)
    temporary.replace(path)


def _record(run_dir: Path) -> dict[str, Any]:
    """Read all that one run directory says into a flat row."""
    summary = read_summary(run_dir)
    failure = None if summary else read_failure(run_dir)
    reason = failure.reason if failure else None
    status = "finished" if summary else "failed" if failure else "unfinished"
    if summary is None:
        config = OmegaConf.load(run_dir / CONFIG) if (run_dir / CONFIG).exists() else OmegaConf.create({})
        assert isinstance(config, DictConfig)
        summary = {"name": run_dir.parent.name, "config": flat_values(config)}
    else:
        summary["regime"] = regime(summary["train_error"], summary["interpolation_step"])
    values = summary.pop("config")
    try:
        origin = json.loads((run_dir / PROVENANCE).read_text())
    except (OSError, ValueError):
        origin = {}
    origin = {key: origin.get(key) for key in KEPT_PROVENANCE}
    origin["command"] = " ".join(origin["command"] or []) or None
    return {**summary, "identity": run_dir.name, "status": status, "reason": reason, **values, **origin}


def _read_steps(sweep: Path, runs: list[str]) -> pl.DataFrame:
    """Read the metrics of `runs`, those with the same columns in one go."""
    bodies: dict[str, list[str]] = {}
    for run in runs:
        header, *lines = whole_lines(sweep / run / METRICS) or [""]
        bodies.setdefault(header, []).extend(f"{run},{line}" for line in lines)
    tables = [pl.DataFrame(schema={"identity": pl.String, "step": pl.Int64})]
    for header, lines in bodies.items():
        if lines:
            columns = ["identity", *header.split(",")]
            schema = {c: {"identity": pl.String, "step": pl.Int64}.get(c, pl.Float64) for c in columns}
            text = io.StringIO("\n".join(lines))
            tables.append(pl.read_csv(text, has_header=False, schema=schema))
    return pl.concat(tables, how="diagonal_relaxed")


def _typed(records: list[dict[str, Any]]) -> pl.DataFrame:
    summary = get_type_hints(Summary)
    del summary["measures"], summary["config"]
    declared = {"identity": str, "name": str, "status": str, "reason": str, "regime": str} | summary
    names = dict.fromkeys([*declared, *(key for record in records for key in record)])
    columns = []
    for name in names:
        values = [record.get(name) for record in records]
        if name == "alarms":
            columns.append(pl.Series(name, values, dtype=pl.List(pl.String)))
            continue
        hint = declared.get(name)
        plain = [DTYPES[t] for t in get_args(hint) or (hint,) if t in DTYPES]
        dtype = plain[0] if plain else _dtype(values)
        if dtype == pl.String:
            values = [v if v is None or isinstance(v, str) else json.dumps(v) for v in values]
        columns.append(pl.Series(name, values, dtype=dtype, strict=False))
    return pl.DataFrame(columns)


def _dtype(values: list[Any]) -> Any:
    types = {type(value) for value in values} - {type(None)}
    if types == {bool}:
        return pl.Boolean
    if types and types <= {int, float}:
        return pl.Float64 if float in types else pl.Int64
    return pl.String
