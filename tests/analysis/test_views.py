"""Figures of one's own choice, by the command line and by a config."""

import polars as pl
import pytest
from fabricated import fabricate, rewrite_summary
from shapes import OPTIMIZERS, WIDTHS, table

from overparam.analysis.report import draw_view, report
from overparam.analysis.swept import swept
from overparam.analysis.views import derived, view_figure
from overparam.errors import ConfigError
from overparam.runs.keys import refuse_unknown_keys
from overparam.runs.views import View, views_of
from tests.command_line import command_line
from tests.conftest import compose_config


@pytest.fixture(scope="module")
def runs():
    """Two optimizers x six widths x two noise levels, with a measure that differs from seed to seed."""
    settings = [
        {**optimizer, "model.width": width, "data.label_noise": noise}
        for optimizer in OPTIMIZERS.values()
        for width in WIDTHS
        for noise in (0.0, 0.2)
    ]
    found, steps = table(settings)
    found = found.with_columns(ece=pl.col("test_error") / 2, warnings=pl.lit(["slow"]))
    return derived(found), steps


def view(runs, **names):
    return view_figure(*runs, swept(runs[0]), View(**names), "mine")


def test_names_are_found_by_their_last_part_and_draw_what_they_say(runs):
    name, figure = view(runs, x="width", y="ece", color="optimizer", facet="label_noise")
    assert name == "ece_vs_width_by_optimizer_by_label_noise"
    assert [axes.get_title() for axes in figure.axes] == ["label noise 0", "label noise 0.2"]
    assert {text.get_text() for text in figure.legends[0].get_texts()} > {"adam", "sgd"}
    assert figure.axes[0].get_ylabel() == "ece"
    shown = runs[0].filter(pl.col("data.label_noise") == 0, pl.col("choices.optimizer") == "adam")
    expected = shown.group_by("model.width").agg(pl.col("ece").mean()).sort("model.width")["ece"].to_list()
    assert figure.axes[0].lines[0].get_ydata().tolist() == pytest.approx(expected)


def test_what_is_left_out_is_chosen_so_that_nothing_is_averaged(runs):
    name, figure = view(runs, color="label_noise")
    assert name == "test_error_vs_width_by_label_noise"
    assert [axes.get_title() for axes in figure.axes] == ["adam", "sgd"]
    assert "over 3 seeds" in figure.get_suptitle()


def test_a_measured_size_takes_the_place_of_the_key_it_changes_with(runs):
    _, figure = view(runs, x="params_per_sample", facet="optimizer")
    assert "over 3 seeds" in figure.get_suptitle()
    assert [len(line.get_xdata()) for line in figure.axes[0].lines if line.get_label() == "test error"] == [
        6,
        6,
    ]


def test_what_differs_between_seeds_is_a_cloud_of_points(runs):
    _, figure = view(runs, x="ece", y="train_error")
    assert all(line.get_linestyle() == "None" for axes in figure.axes for line in axes.lines)


def test_a_swept_key_comes_before_a_column_of_the_same_name():
    found, steps = table([{"data.n_train": n} for n in (50, 100, 200)])
    assert view((derived(found), steps), x="n_train")[1].axes[0].get_xlabel() == "training samples n"
    (line, *_) = view((derived(found), steps), x="step", y="gap_error")[1].axes[0].lines
    assert len(line.get_xdata()) > 5


def test_what_follows_from_a_named_key_has_no_panels_of_its_own():
    losses = [
        {"choices.loss": name, "loss": name, "model.width": w} for name in ("mse", "auto") for w in WIDTHS
    ]
    found, steps = table(losses)
    figure = view((derived(found), steps), color="loss")[1]
    assert len(figure.axes) == 1
    assert {"auto", "mse"} < {text.get_text() for text in figure.legends[0].get_texts()}


def test_where_no_run_finished_there_is_nothing_to_draw():
    found, steps = table([{"model.width": width, "failed": True} for width in (2, 4)])
    with pytest.raises(ConfigError, match="no run finished"):
        view((derived(found), steps))


def test_steps_are_an_axis_and_two_columns_are_drawn_together(runs):
    name, figure = view(runs, x="step", y="test_error,train_error", facet="width", color="label_noise")
    assert name == "test_error_and_train_error_vs_step_by_label_noise_by_width"
    assert [axes.get_title().split(",")[0] for axes in figure.axes[:2]] == ["width 2", "width 4"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"x": "widht"}, r"x=widht: no such column; did you mean width\?"),
        ({"y": "ecee"}, r"y=ecee: no such measured number; did you mean ece\?"),
        ({"y": "optimizer"}, "y=optimizer: no such measured number"),
        ({"color": "optimiser"}, r"color=optimiser: no such swept key; did you mean optimizer\?"),
        ({"facet": "test_error"}, "facet=test_error: no such swept key"),
        ({"x": "status"}, "x=status: no such column"),
        ({"x": "warnings"}, "x=warnings: no such column"),
        ({"x": "test_error"}, "y=test_error: a column is drawn once, and not over itself"),
        ({"y": "ece,ece"}, "y=ece,ece: a column is drawn once"),
        ({"x": "width", "color": "width"}, "color=model.width: it is the x already"),
        (
            {"x": "label_noise", "color": "width", "facet": "width"},
            "facet=model.width: it is the color already",
        ),
        ({"y": "ece,ece,ece"}, "two columns at most"),
    ],
)
def test_a_wrong_name_is_refused_with_a_guess(runs, names, message):
    with pytest.raises(ConfigError, match=message):
        view(runs, **names)


def test_a_config_may_ask_for_figures(tmp_path, capsys):
    for width in (4, 8):
        run = fabricate(tmp_path / "own", width=width)
        rewrite_summary(run, ece=width / 10)
        (run / "config.yaml").write_text(
            "name: own\npaths: {}\nreport:\n- {y: nothing}\n- {x: width, y: ece}\n"
        )
    files = report(tmp_path / "own")
    assert tmp_path / "own" / "report" / "views" / "ece_vs_width.png" in files
    assert "report: y=nothing: no such measured number" in capsys.readouterr().out
    assert draw_view(tmp_path / "own", View(y="ece"))[0].stem == "ece_vs_width"


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"colour": "x"}, r"report.colour: there is no such key; did you mean color\?"),
        ([{"x": 3}], "report.x must be the name of a column, got 3"),
        ("width", "report must be {x, y, color, facet} or a list of these"),
        (
            [{"x": "model.widht"}],
            r"report.x=model.widht: the config has no such key; did you mean model.width\?",
        ),
    ],
)
def test_a_section_is_checked_before_anything_is_trained(section, message):
    cfg = compose_config()
    cfg.report = section
    with pytest.raises(ConfigError, match=message):
        refuse_unknown_keys(cfg, [])
    assert views_of(None) == []


def test_the_command_draws_it_or_says_in_a_line_why_not(tmp_path):
    for width in (4, 8):
        fabricate(tmp_path / "own", width=width)
    folder = str(tmp_path / "own")
    done = command_line("report.py", folder, "--x", "width", "--y", "test_loss")
    assert done.stdout.split() == [
        f"{folder}/report/views/test_loss_vs_width.{end}" for end in ("png", "pdf")
    ]
    wrong = command_line("report.py", folder, "--x", "widht")
    assert (wrong.returncode, wrong.stderr) == (2, "error: x=widht: no such column; did you mean width?\n")
