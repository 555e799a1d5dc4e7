"""Run directories as two tidy tables: a row for each run, and a row for each evaluation.

In a notebook:

    from overparam.analysis.collect import collect, collect_steps

    runs = collect("logs/model_wise")  # or collect("logs"), or any list of sweeps and runs
    runs.filter(status="finished").group_by("model.width").agg(pl.col("test_error").mean())
    steps = collect_steps("logs/model_wise").join(runs.select("identity", "model.width"), on="identity")

What was read is kept in `<sweep>/report/cache/`; later calls read only the runs that changed since. The folder
may be deleted at any time.
"""

import csv
import io
import json
import logging
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any, get_type_hints

import polars as pl
from omegaconf import DictConfig, OmegaConf

from overparam.analysis.code import code_labels
from overparam.analysis.stamps import CONFIG, REPORT, find_sweeps, fingerprint
from overparam.errors import describe_os_error
from overparam.runs.choices import CHOICES, flat_choices
from overparam.runs.code import recorded_files
from overparam.runs.damage import PROVENANCE, damage, read_object, what_is_wrong
from overparam.runs.identity import NEUTRAL, flatten, is_config_key
from overparam.runs.metrics import METRICS, whole_lines
from overparam.runs.state import describe, read_failure
from overparam.runs.summary import Summary, read_summary, regime, whole

log = logging.getLogger(__name__)

CACHE, SOURCES = f"{REPORT}/cache", "sources"
# What reading a damaged table may raise; polars panics over some of them.
UNREADABLE = (OSError, ValueError, csv.Error, pl.exceptions.PolarsError, pl.exceptions.PanicException)
NOTHING_CACHED = (
    pl.DataFrame(schema={"run": pl.String, "stamp": pl.String, "record": pl.String}),
    pl.DataFrame(schema={"identity": pl.String, "step": pl.Int64}),
)
KEPT_PROVENANCE = ("git_commit", "git_dirty", "device", "host", "command")
DTYPES: dict[Any, Any] = {
    **{int: pl.Int64, int | None: pl.Int64, float: pl.Float64, float | None: pl.Float64},
    list[str]: pl.List(pl.String),
}
# Hashes of what runs start from, which differ from seed to seed, and what stands beside them in a table.
STARTS = {"init_from.sha256": "pretrained", "continue_from.sha256": "continued"}
# The columns that every table of runs starts with.
COLUMNS = dict.fromkeys(("identity", "name", "status", "reason", "regime", "code"), pl.String) | {
    key: DTYPES.get(hint, pl.String)
    for key, hint in get_type_hints(Summary).items()
    if key not in ("measures", "config", "choices")
}


def collect(*folders: str | Path) -> pl.DataFrame:
    """Return one row for each run of the given sweep folders, folders of sweeps, or run directories.

    Columns: `identity`, `name` (the sweep), `status` ("finished", "failed", or "unfinished": running or
    killed), `reason` (why it failed), `regime`, every key of `summary.json`, every config value by its dotted
    key ("model.width"), what was chosen of every config group ("choices.optimizer"; null in runs of before it was
    recorded), where the run was made (`git_commit`, `host`, `device`, `command`), and `code`, which
    differs where runs were made by different code (see `analysis.code.code_labels`). A finished
    run's summary values have the types that `runs.summary.Summary` declares; a run that did not finish has
    nulls. Config values are integers, floats, booleans, or text, whichever holds all runs.

    Raises:
        FileNotFoundError: if there is no run.
    """
    table = _collect(find_sweeps(folders))
    broken = table.filter(pl.col("status") == "unfinished", pl.col("reason").is_not_null())
    for name, identity, reason in broken.select("name", "identity", "reason").rows():
        log.warning(
            "%s/%s: %s; it counts as unfinished until the same command trains it", name, identity, reason
        )
    return table


def _collect(found: dict[Path, dict[str, str]]) -> pl.DataFrame:
    if len(found) > 1:
        return _to_frame([record for sweep, stamps in found.items() for record in _read(sweep, stamps)[0]])
    ((sweep, stamps),) = found.items()
    kept, now = sweep / CACHE / "table.parquet", fingerprint(stamps)
    if _cached_fingerprint(kept) == now:
        with suppress(*UNREADABLE):
            return pl.read_parquet(kept, glob=False)  # a sweep's name may have a *, ? or [
    table = _to_frame(_read(sweep, stamps)[0])
    if len(table) > 1:  # else one run was asked for
        _write_cache({kept: table}, now)
    return table


def collect_steps(*folders: str | Path) -> pl.DataFrame:
    """Return one row for each row of `metrics.csv`: `identity`, `step`, and its columns as floats.

    Rows of evaluations have `train_error`, `test_error` and so on; rows between them have only what a module or
    a callback logged there.

    Raises:
        FileNotFoundError: if there is no run.
    """
    tables = [_read(sweep, stamps)[1] for sweep, stamps in find_sweeps(folders).items()]
    return pl.concat(tables, how="diagonal_relaxed")


def measured(table: pl.DataFrame) -> list[str]:
    """Return the numeric columns that measures, modules and callbacks added to a table of runs."""
    others = [key for key in table.columns if key not in COLUMNS and not is_config_key(key)]
    return [key for key in others if table[key].dtype.is_numeric() and table[key].null_count() < len(table)]


def with_last_logged(runs: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Return the runs with the last value of what was logged between evaluations, which no summary holds."""
    new = [key for key in steps.columns if key not in runs.columns and key != "step"]
    last = steps.sort("step").group_by("identity").agg(pl.col(new).drop_nulls().last())
    return runs.join(last, on="identity", how="left", maintain_order="left")


def _read(sweep: Path, stamps: dict[str, str]) -> tuple[list[dict[str, Any]], pl.DataFrame]:
    """Return the records and the steps of runs, reading those that changed and keeping all in the cache."""
    files = sweep / CACHE / "records.parquet", sweep / CACHE / "steps.parquet"
    try:
        cached, steps = (pl.read_parquet(file, glob=False) for file in files)
        return _read_changed(sweep, stamps, cached, steps)
    except UNREADABLE as error:
        if any(file.exists() for file in files):
            log.warning(
                "%s is damaged and made again: %s", files[0].parent, describe(error).partition("  ")[0]
            )
    return _read_changed(sweep, stamps, *NOTHING_CACHED)


def _read_changed(
    sweep: Path, stamps: dict[str, str], cached: pl.DataFrame, steps: pl.DataFrame
) -> tuple[list[dict[str, Any]], pl.DataFrame]:
    files = sweep / CACHE / "records.parquet", sweep / CACHE / "steps.parquet"
    now = pl.DataFrame({"run": list(stamps), "stamp": list(stamps.values())})
    changed = now.join(cached, on=["run", "stamp"], how="anti")
    if len(changed):
        names = changed["run"].to_list()
        records = [json.dumps(_record(sweep / run)) for run in names]
        fresh = changed.with_columns(record=pl.Series(records, dtype=pl.String))
        cached = pl.concat([cached.filter(~pl.col("run").is_in(names)), fresh])
        kept = steps.filter(~pl.col("identity").is_in(names))
        steps = pl.concat([kept, _read_steps(sweep, names)], how="diagonal_relaxed").sort("identity", "step")
        _write_cache(dict(zip(files, (cached, steps), strict=True)))
    wanted = now.select("run").join(cached, on="run", how="left", maintain_order="left")["record"]
    return [json.loads(text) for text in wanted], steps.filter(pl.col("identity").is_in(list(stamps)))


def _cached_fingerprint(path: Path) -> str | None:
    """Return the fingerprint of the runs that a cached table was made from."""
    try:
        return pl.read_parquet_metadata(path).get("made_from")
    except UNREADABLE:
        return None


def _write_cache(tables: dict[Path, pl.DataFrame], made_from: str = "") -> None:
    for path, table in tables.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole(path) as file:
                file.write_bytes(as_parquet(table, made_from=made_from))
        except OSError:
            return  # a folder that may not be written to, a full disk: nothing is kept, nothing is lost


def as_parquet(table: pl.DataFrame, **metadata: str) -> bytes:
    """Return a table as the content of a Parquet file; polars has an error of its own for a disk that is full."""
    buffer = io.BytesIO()
    table.write_parquet(buffer, metadata=metadata)
    return buffer.getvalue()


def _record(run_dir: Path) -> dict[str, Any]:
    """Return all that a run directory says about its run, as a flat row."""
    failure = None
    try:
        reason = damage(run_dir)
        summary = None if reason else read_summary(run_dir)
        failure = None if summary else read_failure(run_dir)
    except OSError as error:
        reason, summary = describe_os_error(error), None
    status = "finished" if summary else "failed" if failure else "unfinished"
    if summary is None:
        summary = {"name": run_dir.parent.name, "config": {}}
        try:
            summary["config"], summary["choices"] = _recorded(run_dir / CONFIG)
        except Exception as error:  # YAML and OmegaConf have many for what is no config
            reason = reason or f"{CONFIG} is damaged ({what_is_wrong(error)})"
    else:
        summary["regime"] = regime(summary.get("train_error"), summary.get("interpolation_step"))
    values = summary.pop("config") | flat_choices(summary.pop("choices", None))
    for key, meaning in STARTS.items():
        if key in values:
            values[key.partition(".")[0]] = meaning
    try:
        provenance = read_object(run_dir / PROVENANCE)
    except (OSError, ValueError):
        provenance = {}
    origin = {key: provenance.get(key) for key in KEPT_PROVENANCE}
    origin["command"] = shlex.join(map(str, origin["command"] or [])) or None
    origin[SOURCES] = recorded_files(provenance)
    found = {_column(key): value for key, value in summary.items()}
    own = {"identity": run_dir.name, "status": status, "reason": failure.reason if failure else reason}
    return {**found, **own, **values, **origin}


def _recorded(path: Path) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the flat values of a run's config, and its choices; references to secrets stay what they are."""
    if not path.exists():
        return {}, None
    config = OmegaConf.load(path)
    if not isinstance(config, DictConfig):
        raise ValueError("it holds no config")
    plain: Any = OmegaConf.to_container(config)
    values: dict[str, Any] = {}
    for key, value in plain.items():
        flatten(key, value, values)
    return values, plain.get(CHOICES)


def _column(name: str) -> str:
    """Return the name of what was measured or logged as a column; only config keys have dots."""
    return name.replace(".", "_")


def _read_steps(sweep: Path, runs: list[str]) -> pl.DataFrame:
    """Read the metrics of `runs`, those with the same columns in one go; a table that is damaged is left out."""
    alike: dict[str, dict[str, list[str]]] = {}
    for run in runs:
        path = sweep / run / METRICS
        try:
            header, *lines = whole_lines(path) or [""]
        except (ValueError, OSError) as error:
            _leave_out(path, error)
            continue
        if lines:
            alike.setdefault(header, {})[run] = lines
    tables = [NOTHING_CACHED[1]]
    for header, bodies in alike.items():
        try:
            tables.append(_parsed(header, bodies))
        except UNREADABLE:
            for run, lines in bodies.items():
                try:
                    tables.append(_parsed(header, {run: lines}))
                except UNREADABLE as error:
                    _leave_out(sweep / run / METRICS, error)
    return pl.concat(tables, how="diagonal_relaxed")


def _leave_out(path: Path, error: BaseException) -> None:
    log.warning("%s is damaged and left out: %s", path, what_is_wrong(error))


def _parsed(header: str, bodies: dict[str, list[str]]) -> pl.DataFrame:
    (columns,) = csv.reader([header])
    if columns[:1] != ["step"]:
        raise ValueError("it has no column step")
    schema: Any = dict.fromkeys(["identity", *map(_column, columns)], pl.Float64())
    schema |= {"identity": pl.String(), "step": pl.Int64()}
    text = "\n".join(f"{run},{line}" for run, lines in bodies.items() for line in lines)
    return pl.read_csv(io.StringIO(text), has_header=False, schema=schema)


def _to_frame(records: list[dict[str, Any]]) -> pl.DataFrame:
    files = [record.pop(SOURCES) for record in records]
    for record, label in zip(records, code_labels(files), strict=True):
        record["code"] = label
    names = dict.fromkeys([*COLUMNS, *(key for record in records for key in record)])
    columns = []
    for name in names:
        # A knob at its neutral value is not recorded; of a run whose config is unknown nothing is.
        values = [record.get(name, NEUTRAL.get(name) if "seed" in record else None) for record in records]
        dtype = COLUMNS.get(name) or _dtype(values)
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
