"""A figure of one's own choice: any column against any other."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl
from matplotlib.figure import Figure

from overparam.analysis.axes import label, short_name, spoken
from overparam.analysis.drawing import is_number
from overparam.analysis.figures import curve_figure
from overparam.analysis.layout import Layout, lay_out
from overparam.errors import ConfigError, did_you_mean
from overparam.runs.choices import CHOICES
from overparam.runs.identity import is_config_key
from overparam.runs.views import View

STEP = "step"


def view_figure(
    runs: pl.DataFrame, steps: pl.DataFrame, keys: list[str], view: View, title: str
) -> tuple[str, Figure]:
    """Return the name and the figure of a view.

    Args:
        runs: a row for each run, failed ones too, with `derived` columns.
        steps: a row for each evaluation; they are drawn if x is "step".
        keys: the swept keys; those that the view does not name become panels, rows and dashes.
        view: x is a column, the first swept key by itself; y a number, test_error by itself, or two with a comma;
            color and facet are config keys, chosen by themselves. Of a dotted key the last part is enough.
        title: of the figure.

    Raises:
        ConfigError: if there is no such column.
    """
    first = next((key for key in keys if is_number(runs, key)), keys[0] if keys else STEP)
    along = [key for key in runs.columns if not runs[key].dtype.is_nested() and key != "status"]
    x = _column("x", view.x, [*along, STEP], keys) if view.x else first
    table = runs
    if x == STEP:
        configured = [key for key in runs.columns if is_config_key(key)]
        table = steps.join(runs.select("identity", "status", *configured), on="identity")
        table = derived(table.filter(pl.col(STEP) > 0))
    numbers = [
        key for key in table.columns if table[key].dtype.is_numeric() and table[key].null_count() < len(table)
    ]
    measured = [key for key in numbers if not is_config_key(key)]
    if (runs["status"] != "finished").all():
        raise ConfigError("no run finished, so there is nothing to draw")
    ys = [_column("y", name.strip(), measured) for name in (view.y or "test_error").split(",")]
    if len(ys) > 2:
        raise ConfigError(f"y={view.y}: two columns at most in a figure")
    if len({x, *ys}) <= len(ys):
        raise ConfigError(f"y={view.y or ys[0]}: a column is drawn once, and not over itself")
    settable = [key for key in table.columns if is_config_key(key)]
    color, facet = (
        _column(role, name, settable, keys) if name else None
        for role, name in (("color", view.color), ("facet", view.facet))
    )
    for named in filter(None, (color, facet)):  # what follows from it needs no colours or panels of its own
        keys = [
            key
            for key in keys
            if key in (x, named) or table.select(named, key).n_unique() > table[named].n_unique()
        ]
    taken = {x: "x"}
    for role, key in (("color", color), ("facet", facet)):
        if key and taken.setdefault(key, role) != role:
            raise ConfigError(f"{role}={key}: it is the {taken[key]} already")
    table = table.filter((pl.col("status") != "finished") | pl.any_horizontal(pl.col(ys).is_not_null()))
    layout = _layout(table, x, keys, color, facet)
    parts = {y: spoken(y) for y in ys}
    figure = curve_figure(table, layout, parts, title, ", ".join(map(label, ys)))
    names = [
        f"{'_and_'.join(map(short_name, ys))}_vs_{short_name(x)}",
        *(short_name(k) for k in (color, facet) if k),
    ]
    return "_by_".join(names), figure


def derived(runs: pl.DataFrame) -> pl.DataFrame:
    """Return runs, or evaluations, with the generalization gap, and the share of wrong labels that was fitted."""
    if "train_error_noisy" not in runs.columns:
        runs = runs.with_columns(train_error_noisy=pl.lit(None, dtype=pl.Float64))
    return runs.with_columns(
        gap_error=pl.col("test_error") - pl.col("train_error"), noise_fitted=1 - pl.col("train_error_noisy")
    )


def replaced_key(table: pl.DataFrame, keys: Sequence[str], column: str) -> str | None:
    """Return the numeric key along which a measured column changes, so that it may take the key's place as an axis."""
    for key in keys:
        others = [other for other in keys if other != key]
        count = table.select(others).n_unique() if others else 1
        if is_number(table, key) and table.select(*others, column).n_unique() > count:
            return key
    return None


def _layout(table: pl.DataFrame, x: str, keys: list[str], color: str | None, facet: str | None) -> Layout:
    series = [key for key in keys if key != x]
    if is_config_key(x) or x == STEP:
        return lay_out(table, x, series, color, facet)
    finished = table.filter(status="finished").drop_nulls(x)
    if finished.is_empty():
        raise ConfigError(f"x={x}: no finished run has a value")
    settings = finished.select(keys).n_unique() if keys else 1
    if finished.select(*keys, x).n_unique() > settings:  # it differs between seeds: points, not a line
        roles = ("columns", "color", "rows")  # points have no dashes
        return replace(lay_out(finished, x, series, color, facet, roles), is_joined=False)
    along = replaced_key(finished, [key for key in keys if key not in (color, facet)], x)
    return lay_out(finished, x, [key for key in series if key != along], color, facet)


def _column(role: str, name: str, known: Sequence[str], keys: Sequence[str] = ()) -> str:
    """Return the column that is meant by its name, or by the last part of a dotted one; of `keys`, which were swept."""
    if name in known and name not in map(short_name, keys):
        return name
    ends = [key for key in known if short_name(key) == name and (name not in known or key in keys)]
    if len(ends) > 1:  # a group's choice says more than its class
        ends = [key for key in ends if key.startswith(f"{CHOICES}.")] or ends
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise ConfigError(f"{role}={name} may be {' or '.join(ends)}: give the whole name")
    what = "measured number" if role == "y" else "swept key" if role in ("color", "facet") else "column"
    raise ConfigError(f"{role}={name}: no such {what}{did_you_mean(name, [*known, *map(short_name, known)])}")
