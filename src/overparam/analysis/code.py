"""Which runs of a table were made by the same code."""

from collections.abc import Mapping, Sequence

import polars as pl

from overparam.errors import counted

ANY = "any"  # of a run that uses none of the files whose content differs: all codes would have made it


def code_labels(sources: Sequence[Mapping[str, str]]) -> list[str | None]:
    """Return for each run what tells its code from that of the others; of runs without a record None.

    A label names the files whose content is not the same in all runs that use them, with the first digits of its hash.

    Args:
        sources: for each run, the files it used and their hashes, see `overparam.runs.code.sources`.

    Example:
        >>> code_labels([{"lab": "1", "net.py": "7"}, {"lab": "1", "net.py": "8"}, {"lab": "1"}, {}])
        ['net.py 7', 'net.py 8', 'any', None]
        >>> code_labels([{"lab": "1", "net.py": "7"}, {"lab": "1", "loss.py": "8"}])
        ['any', 'any']
    """
    contents: dict[str, set[str]] = {}
    for files in sources:
        for name, digest in files.items():
            contents.setdefault(name, set()).add(digest)
    differing = sorted(name for name, digests in contents.items() if len(digests) > 1)
    labels = [
        ", ".join(f"{name} {files[name][:7]}" for name in differing if name in files) for files in sources
    ]
    return [(label or ANY) if files else None for label, files in zip(labels, sources, strict=True)]


def codes(column: pl.Series) -> list[str]:
    """Return the labels in a column `code` that differ, those of most runs first; fewer than two tell nothing."""
    counts = column.drop_nulls().value_counts(sort=True)
    return [label for label in counts[column.name].to_list() if label != ANY]


def mixed_codes(table: pl.DataFrame, keys: Sequence[str]) -> str | None:
    """Return in a line that runs were made by several codes, and how many settings average over them; or None.

    Args:
        table: finished runs, a row each.
        keys: the swept keys, which make a setting.
    """
    found = codes(table["code"])
    if len(found) < 2:
        return None
    counts = dict(table["code"].value_counts().iter_rows())
    settings = [group["code"] for _, group in table.group_by(keys)] if keys else [table["code"]]
    mixed = sum(len(codes(setting)) > 1 for setting in settings)
    what = "; ".join(f"{label}: {counts[label]}" for label in found)
    average = f"{mixed} of {counted(len(settings), 'setting')} {'averages' if mixed == 1 else 'average'}"
    average += " over several: retrain=true trains the older again"
    return f"{len(table)} runs were made by {len(found)} codes ({what}), and {average}"
