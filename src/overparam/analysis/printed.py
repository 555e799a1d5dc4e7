"""Tables on a terminal: as wide as it is, without columns that say nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from overparam.analysis.axes import shortened, spoken, value_text
from overparam.analysis.curves import SEEDS_FOR_A_BAND, over_seeds
from overparam.analysis.swept import swept
from overparam.errors import counted, printable
from overparam.runs.identity import is_config_key

MOST_ROWS = 40  # of a table of settings
FEW_ROWS = 20  # a study's that are printed one by one
INTERVAL = "± is the 95% interval of the mean"


@dataclass(frozen=True)
class Column:
    """A column of a printed table."""

    head: str
    cells: Sequence[str]
    spare: int = 0  # 2: left out where there is no room; 1: where narrow columns make none; 0: never


def print_settings(summary: pl.DataFrame, keys: Sequence[str], more: Sequence[str]) -> None:
    """Print the means over seeds, a row for each setting.

    Args:
        summary: see `over_seeds`; with `failed`, how many runs of each failed, where any did.
        keys: the swept config keys.
        more: columns to show beside the errors, as many as there is room for.
    """
    shown = summary.head(MOST_ROWS)
    found = zip(shown["test_error"], shown["test_error_ci"], shown["seeds"], strict=True)
    errors = [with_interval(*values) or "failed" for values in found]
    fitted = [None if value is None else 1 - value for value in shown["train_error_noisy"]]
    columns = [Column(spoken(key), [value_text(value) for value in shown[key]]) for key in keys]
    columns += [
        Column("P/n", _numbers(shown["params_per_sample"], "{:.2f}"), spare=1),
        Column("train error", _numbers(shown["train_error"], "{:.3f}"), spare=1),
        Column("noise fitted", _numbers(fitted, "{:.2f}"), spare=1),
        Column("test error", errors),
        *(Column(spoken(key), _numbers(shown[key]), spare=2) for key in more),
    ]
    last = ["seeds", *(name for name in ("failed", "code") if name in summary.columns)]
    columns += [Column(key, _numbers(shown[key], "{}")) for key in last]
    print_columns(columns, "table.csv", left_out=len(summary) - len(shown))
    if any("±" in text for text in errors):
        print(f"{INTERVAL} over seeds")


def print_study(table: pl.DataFrame, name: str, first: Sequence[str] = ()) -> None:
    """Print what a study found, a row for each setting.

    Of numbers that runs, or pairs of runs, have one each of, the mean; of others the lowest and the highest.

    Args:
        table: see `studies.study.study`.
        name: the study's name.
        first: columns that matter most.
    """
    keys = swept(table)
    own = [c for c in table.columns if c not in ("identity", "first", "second") and not is_config_key(c)]
    words = [column for column in own if not table[column].dtype.is_numeric()]
    numbers = sorted(set(own) - set(words), key=lambda c: (c not in first, own.index(c)))
    of_pairs = "first" in table.columns
    is_repeated = of_pairs or table.select("identity", *words).n_unique() == len(table)
    one_by_one = not is_repeated and len(table) <= FEW_ROWS
    place = pl.int_range(pl.len()) if one_by_one else pl.repeat(0, pl.len())
    ordered = table.sort(keys, maintain_order=True) if keys else table
    alike = ordered.group_by(*keys, *words, place.alias(" "), maintain_order=True)
    groups = [group for _, group in alike]
    found = [[_told(group[column], is_repeated, of_pairs) for group in groups] for column in numbers]
    columns = [Column(spoken(key), [value_text(group[key][0]) for group in groups]) for key in keys]
    columns += [Column(spoken(key), [value_text(group[key][0]) for group in groups]) for key in words]
    columns += [
        Column(spoken(key), texts, spare=0 if key in numbers[:1] else 2)
        for key, texts in zip(numbers, found, strict=True)
    ]
    if len(groups) < len(table):
        columns.append(Column("rows", [str(len(group)) for group in groups]))
    print_columns([_cut(column) for column in columns], f"{name}.csv", left_out=len(groups) - MOST_ROWS)
    if len(groups) < len(table):
        what = "means over pairs" if of_pairs else "means over seeds" if is_repeated else "lowest to highest"
        print(f"{what} of {counted(len(table), 'row')}; all are in {name}.csv")
    if any("±" in text for texts in found for text in texts):
        print(f"{INTERVAL} over seeds")


def print_columns(columns: Sequence[Column], where: str, left_out: int = 0) -> None:
    """Print columns, but those that are empty, and those that can be spared and find no room.

    Args:
        columns: in their order.
        where: the file that has all.
        left_out: how many rows there are that `columns` do not hold.
    """
    console = Console()
    given = [column for column in columns if any(column.cells)]
    kept = list(given)
    for spare, narrow in ((2, 0), (None, 1), (1, 2)):
        while (is_wide := _width(console, kept, narrow) > console.width) and any(
            column.spare == spare for column in kept
        ):
            del kept[max(place for place, column in enumerate(kept) if column.spare == spare)]
        if not is_wide:
            break
    console.print(_table(kept, narrow))
    cut = {"row": left_out, "column": len(given) - len(kept)}
    if left := [counted(count, f"more {name}") for name, count in cut.items() if count > 0]:
        print(f"and {' and '.join(left)}, in {where}")


def with_interval(mean: float | None, half_width: float | None, seeds: int) -> str:
    """Return a mean with its interval, if there are runs enough for one; empty if there is no mean.

    Example:
        >>> with_interval(0.25, 0.0125, seeds=5), with_interval(0.25, 0.2, seeds=2)
        ('0.250 ± 0.013', '0.250')
    """
    if mean is None:
        return ""
    return (
        f"{mean:.3f}" if half_width is None or seeds < SEEDS_FOR_A_BAND else f"{mean:.3f} ± {half_width:.3f}"
    )


def _table(columns: Sequence[Column], narrow: int) -> Table:
    """Return a table; 1: without room beside its texts; 2: also with a word a line in heads, and long texts cut."""
    table = Table(padding=(0, 0 if narrow else 1, 0, 1))
    for column in columns:
        head = printable(column.head)
        table.add_column(Text(head.replace(" ", "\n") if narrow > 1 else head), no_wrap=True)
    for row in zip(*(column.cells for column in columns), strict=True):
        texts = map(printable, row)
        table.add_row(*(Text(shortened(text) if narrow > 1 else text) for text in texts))
    return table


def _width(console: Console, columns: Sequence[Column], narrow: int) -> int:
    return console.measure(_table(columns, narrow), options=console.options.update(width=9999)).maximum


def _numbers(values: Sequence[float | None] | pl.Series, form: str = "") -> list[str]:
    return ["" if value is None else form.format(value) if form else value_text(value) for value in values]


def _told(values: pl.Series, is_repeated: bool, of_pairs: bool) -> str:
    known = values.drop_nulls()
    if known.is_empty():
        return ""
    if not is_repeated:
        low, high = value_text(known.min()), value_text(known.max())
        return low if low == high else f"{low} to {high}"
    if known.n_unique() == 1:
        return value_text(known[0])
    if of_pairs or len(known) < SEEDS_FOR_A_BAND:  # pairs that share a run are not independent
        return value_text(known.mean())
    row = over_seeds(known.rename("value").to_frame().with_columns(all=0), ["all"], ["value"])
    return f"{value_text(row['value'][0])} ± {row['value_ci'][0]:.2g}"


def _cut(column: Column) -> Column:
    return Column(column.head, column.cells[:MOST_ROWS], column.spare)
