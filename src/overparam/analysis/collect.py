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
from pathlib import Path
from typing import Any, get_args, get_type_hints

import polars as pl
from omegaconf import DictConfig, OmegaConf

from overparam.analysis.stamps import CONFIG, REPORT, find_sweeps, fingerprint
from overparam.runs.identity import flat_values, is_config_key
from overparam.runs.metrics import METRICS, whole_lines
from overparam.runs.state import read_failure
from overparam.runs.summary import Summary, read_summary, regime

CACHE, PROVENANCE = f"{REPORT}/cache", "provenance.json"
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
    found = find_sweeps(folders)
    if len(found) > 1:
        return _to_frame(
            [record for sweep, stamps in found.items() for record in _read_cached(sweep, stamps)[0]]
        )
    ((sweep, stamps),) = found.items()
    kept, now = sweep / CACHE / "table.parquet", fingerprint(stamps)
    if _cached_fingerprint(kept) == now:
        return pl.read_parquet(kept)
    table = _to_frame(_read_cached(sweep, stamps)[0])
    if len(table) > 1:  # else one run was asked for
        _write_cache({kept: table}, now)
    return table


def collect_steps(*folders: str | Path) -> pl.DataFrame:
    """Return one row an evaluation: `identity`, `step`, and the columns of `metrics.csv` as floats.

    Raises:
        FileNotFoundError: if there is no run.
    """
    tables = [_read_cached(sweep, stamps)[1] for sweep, stamps in find_sweeps(folders).items()]
    return pl.concat(tables, how="diagonal_relaxed")


def swept(table: pl.DataFrame) -> list[str]:
    """Return the config keys that differ between runs, those with most values first.

    Left out are seeds, which are repetitions, as are the pretrained weights of different seeds, and keys that
    another swept key determines: the length of a schedule that follows `trainer.max_steps`, or the momentum
    that only one of two optimizers has.
    """
    keys = [key for key in table.columns if is_config_key(key) and "seed" not in key]
    keys = [key for key in keys if key != "init_from.sha256"]
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


def _read_cached(sweep: Path, stamps: dict[str, str]) -> tuple[list[dict[str, Any]], pl.DataFrame]:
    """Return the records and the steps of runs, reading those that changed and keeping all in the cache."""
    now = pl.DataFrame({"run": list(stamps), "stamp": list(stamps.values())})
    files = sweep / CACHE / "runs.parquet", sweep / CACHE / "steps.parquet"
    try:
        cached, steps = map(pl.read_parquet, files)
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
        _write_cache(dict(zip(files, (cached, steps), strict=True)))
    wanted = now.select("run").join(cached, on="run", how="left", maintain_order="left")
    return [json.loads(text) for text in wanted["record"]], steps.filter(
        pl.col("identity").is_in(list(stamps))
    )


def _cached_fingerprint(path: Path) -> str | None:
    """Return the fingerprint that a table was kept with."""
    try:
        return pl.read_parquet_metadata(path).get("made_from")
    except (OSError, pl.exceptions.PolarsError):
        return None


def _write_cache(tables: dict[Path, pl.DataFrame], made_from: str = "") -> None:
    for path, table in tables.items():
        temporary = path.with_suffix(f".{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            table.write_parquet(temporary, metadata={"made_from": made_from})
            temporary.replace(path)
        except OSError:
            return  # someone else's folder: nothing is kept, nothing is lost


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
    if "init_from.sha256" in values:
        values["init_from"] = "pretrained"  # beside the hash, which differs from seed to seed
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


def _to_frame(records: list[dict[str, Any]]) -> pl.DataFrame:
    summary = get_type_hints(Summary)
    del summary["measures"], summary["config"]
    declared = {"identity": str, "name": str, "status": str, "reason": str, "regime": str} | summary
    names = dict.fromkeys([*declared, *(key for record in records for key in record)])
    columns = []
    for name in names:
        values = [record.get(name) for record in records]
        if name == "warnings":
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
