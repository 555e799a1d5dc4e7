"""Run directories as one tidy table."""

from pathlib import Path

import polars as pl

from overparam.tracking.summary import SUMMARY, read_summary


def collect(folder: Path) -> pl.DataFrame:
    """Return one row a finished run under `folder`: the summary's keys, and config values by their dotted key.

    Raises:
        FileNotFoundError: if no finished run is there.
    """
    rows = []
    for path in sorted(folder.glob(f"*/{SUMMARY}")):
        summary = read_summary(path.parent)
        assert summary is not None
        values = {k: v if not isinstance(v, list) else str(v) for k, v in summary.pop("config").items()}
        rows.append({**values, **summary})
    if not rows:
        raise FileNotFoundError(f"no finished run in {folder}: a run's directory holds a {SUMMARY}")
    return pl.DataFrame(rows, infer_schema_length=None)


def swept(table: pl.DataFrame) -> list[str]:
    """Return the config keys that differ between runs, seeds excluded, the one with most values first."""
    keys = [column for column in table.columns if "." in column or column in ("loss", "clip_norm")]
    counts = {key: table[key].n_unique() for key in keys if "seed" not in key}
    return sorted((key for key, count in counts.items() if count > 1), key=lambda key: -counts[key])
