"""The double-descent figure."""

from pathlib import Path

import matplotlib
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from overparam.analysis.curves import interpolation_threshold, over_seeds

matplotlib.use("Agg")

# Okabe & Ito's palette, told apart by colour-blind people.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SYMBOLS = {"model.width": "width", "model.depth": "depth", "data.n_train": "training samples n"}


def error_figure(table: pl.DataFrame, x: str, series: list[str], title: str) -> Figure:
    """Draw test (solid) and training error (dashed) against `x`, a line for each combination of `series`.

    Bands are 95% intervals of the mean over seeds; a vertical line marks each series' interpolation
    threshold; where `x` is the width of one network, a second axis counts parameters a sample.
    """
    groups = table.partition_by(series, as_dict=True) if series else {(): table}
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    _number_axis(axes, table[x])
    for color, (values, group) in zip(COLORS, sorted(groups.items(), key=str), strict=False):
        curve = over_seeds(group, [x], ["test_error", "train_error", "params_per_sample"])
        label = ", ".join(f"{_short(key)}={value}" for key, value in zip(series, values, strict=True))
        for column, style, name in (("test_error", "-", "test"), ("train_error", "--", "train")):
            mean, half = curve[column].to_numpy(), curve[f"{column}_ci"].fill_null(0).to_numpy()
            line_color = color if series or column == "test_error" else COLORS[1]
            axes.plot(
                curve[x], mean, style, color=line_color, marker="o", ms=3, label=f"{name} {label}".strip()
            )
            axes.fill_between(curve[x], mean - half, mean + half, color=line_color, alpha=0.2, lw=0)
        if (threshold := interpolation_threshold(curve, x)) is not None:
            axes.axvline(threshold, color=color if series else "0.35", ls=":", lw=1.2)
            axes.annotate(
                "interpolation threshold" if not series else "",
                (threshold, 0.98),
                xycoords=("data", "axes fraction"),
                xytext=(4, 0),
                textcoords="offset points",
                va="top",
                fontsize=8,
                color="0.35",
            )
        if not series:
            _parameter_axis(axes, curve, x)
    seeds = over_seeds(table, [x, *series], ["test_error"])["seeds"]
    many = f"{seeds.min()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
    axes.set(xlabel=SYMBOLS.get(x, x), ylabel="error", ylim=(0, None))
    axes.legend(frameon=False, fontsize=8)
    figure.suptitle(f"{title}: mean and 95% interval over {many} seeds", fontsize=10)
    return figure


def save(figure: Figure, path: Path) -> list[Path]:
    """Write `path`.png and `path`.pdf; return both."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files = [path.with_suffix(suffix) for suffix in (".png", ".pdf")]
    for file in files:
        figure.savefig(file, dpi=160)
    return files


def _number_axis(axes: Axes, values: pl.Series) -> None:
    ticks = sorted(values.unique().to_list())
    if ticks[0] > 0 and ticks[-1] / ticks[0] > 8:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(_spread(ticks))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _spread(ticks: list[float], least_ratio: float = 1.35) -> list[float]:
    """Leave out ticks whose labels would touch on a log axis."""
    kept = ticks[:1]
    for tick in ticks[1:]:
        if tick / kept[-1] >= least_ratio:
            kept.append(tick)
    return kept


def _parameter_axis(axes: Axes, curve: pl.DataFrame, x: str) -> None:
    """Label the top axis with P/n; the scale of `axes` is set before: changing it resets the ticks."""
    if x != "model.width":
        return
    top = axes.secondary_xaxis("top")
    shown = curve.filter(pl.col(x).is_in(_spread(curve[x].to_list())))
    top.set_xticks(shown[x].to_list(), [f"{value:.2g}" for value in shown["params_per_sample"]])
    top.xaxis.set_minor_locator(NullLocator())
    top.set_xlabel("parameters per training sample, P/n", fontsize=9)
    top.tick_params(labelsize=8)


def _short(key: str) -> str:
    return key.rpartition(".")[2]
