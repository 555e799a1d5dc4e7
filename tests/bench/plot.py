"""How the seconds of every part grow with the work, drawn."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from tests.bench.pairs import Result


def draw(results: list[Result], path: Path) -> None:
    """Draw a panel for each part that has curves."""
    drawn = [result for result in results if result.curves]
    figure = Figure(figsize=(4.8 * len(drawn), 3), layout="constrained")
    for axes, result in zip(figure.subplots(1, len(drawn), squeeze=False)[0], drawn, strict=True):
        for way, points in result.curves.items():
            axes.loglog(*zip(*sorted(points), strict=True), "o-", markersize=4, label=way)
        works = sorted({work for points in result.curves.values() for work, _ in points})
        axes.set_xticks(works[:: -(-len(works) // 4)], minor=False)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set(title=result.title, xlabel=result.work, ylabel=result.seconds)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5))  # beside the lines
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
