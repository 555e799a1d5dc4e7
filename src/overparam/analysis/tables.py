"""Tables as CSV files, which people open in spreadsheets and terminals."""

import json
from pathlib import Path

import polars as pl

from overparam.errors import printable

FORMULA = ("=", "+", "-", "@")  # what a spreadsheet calculates, or calls, if a cell begins with it


def write_csv(table: pl.DataFrame, path: Path) -> None:
    """Write a table of which no text is taken for more than a text: see `cell`. A list becomes JSON text."""
    lists = [key for key, dtype in table.schema.items() if isinstance(dtype, pl.List)]
    texts = [key for key, dtype in table.schema.items() if dtype == pl.String]
    table.with_columns(
        pl.col(lists).map_elements(lambda values: json.dumps(values.to_list()), return_dtype=pl.String),
        pl.col(texts).map_elements(cell, return_dtype=pl.String),
    ).rename(cell).write_csv(path)


def cell(text: str) -> str:
    """Return a text as it may stand in a cell: control characters escaped, and a quote before a formula.

    Example:
        >>> cell("=1+1"), cell("-1e-3"), cell("a-b")
        ("'=1+1", '-1e-3', 'a-b')
    """
    text = printable(text)
    return f"'{text}" if text.lstrip().startswith(FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
