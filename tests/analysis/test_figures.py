import polars as pl
from matplotlib.backends.backend_agg import FigureCanvasAgg

from overparam.analysis.figures import error_figure


def width_sweep(widths=(4, 16, 64, 256), seeds=3):
    rows = [
        {
            "model.width": width,
            "seed": seed,
            "test_error": 0.2 + 0.01 * seed,
            "train_error": 0.3 if width < 64 else 0.0,
            "params_per_sample": width * 75 / 1200,
        }
        for width in widths
        for seed in range(seeds)
    ]
    return pl.DataFrame(rows)


def test_the_top_axis_of_a_width_figure_counts_parameters_per_sample():
    figure = error_figure(width_sweep(), "model.width", [], "name")
    FigureCanvasAgg(figure).draw()
    (top,) = figure.axes[0].child_axes
    labels = [label.get_text() for label in top.get_xticklabels()]
    assert labels == ["0.25", "1", "4", "16"]
