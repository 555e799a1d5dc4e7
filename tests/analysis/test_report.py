"""What a lab adds to its runs shows in tables, figures and page; old and unusual run directories are read too."""

import json

import polars as pl
import pytest
import torch.nn.functional as F
from fabricated import fabricate, rewrite_summary
from omegaconf import OmegaConf

from overparam.analysis.collect import collect, collect_steps, measured
from overparam.analysis.local_page import page_data
from overparam.analysis.report import WANDB, figures, report, wandb_settings, warnings
from overparam.analysis.swept import swept
from overparam.loggers.wandb import wandb_run
from overparam.runs.state import record_failure
from overparam.training.run import train


def names_of_figures(folder):
    return {file.stem for file in report(folder) if file.suffix == ".png"}


OWN_KEYS = ("augmentation.std", "callbacks.ema.decay", "module.alpha", "measures.mine.samples")


@pytest.mark.parametrize("key", OWN_KEYS)
def test_any_swept_key_is_an_axis_a_column_and_a_filter(tmp_path, key, capsys):
    for value in (1, 2, 3):
        for seed in (0, 1):
            fabricate(tmp_path / "own", seed=seed, test_error=0.1 * value, **{key: value})
    name = key.rpartition(".")[2]
    assert {"figure", f"loss_vs_{name}", f"error_over_{name}_and_step"} <= names_of_figures(tmp_path / "own")
    table, printed = collect(tmp_path / "own"), capsys.readouterr().out
    assert swept(table) == [key]
    assert f" {name} " in printed
    assert " 0.300 " in printed
    data = page_data("own", table, collect_steps(tmp_path / "own"), [key])
    assert set(data["columns"][key]) == {1, 2, 3}
    assert data["labels"][key] == name


def test_two_keys_of_one_name_have_a_figure_each(tmp_path):
    for first in (1, 2, 3):
        for second in (1, 2, 3):
            fabricate(tmp_path / "own", **{"module.alpha": first, "loss.alpha": second})
    names = names_of_figures(tmp_path / "own")
    assert {"figure", "error_vs_module_alpha", "loss_vs_loss_alpha"} <= names


def test_a_swept_name_is_an_axis_where_no_number_was_swept(tmp_path):
    for kind in ("gaussian", "uniform"):
        fabricate(tmp_path, **{"augmentation.kind": kind})
    table = collect(tmp_path)
    drawn = dict(figures(table, collect_steps(tmp_path), swept(table), "name"))
    axes = drawn["figure"].axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["gaussian", "uniform"]
    assert "error_vs_step" in drawn


def test_a_knob_at_the_value_that_leaves_no_trace_is_a_number_among_others(tmp_path):
    fabricate(tmp_path)
    for cutout in (2, 4):
        fabricate(tmp_path, **{"data.cutout": cutout})
    assert sorted(collect(tmp_path)["data.cutout"]) == [0, 2, 4]
    (tmp_path / "before_its_config").mkdir()
    (tmp_path / "before_its_config" / "failure.json").write_text(
        json.dumps({"reason": "r", "attempts": 1, "when": 0})
    )
    assert collect(tmp_path)["data.cutout"].null_count() == 1


def test_measures_are_columns_of_the_tables(tmp_path, capsys):
    for width in (4, 8):
        for seed in (0, 1):
            run = fabricate(tmp_path / "own", width=width, seed=seed)
            own = {"calibration.error": 0.5 + width / 100 + seed / 100, "val_error": 0.25}
            rewrite_summary(run, **own, **{f"measure_{i}": float(i) for i in range(7)})
    rewrite_summary(run, measure_1=None)
    files = report(tmp_path / "own")
    header, first, _ = (tmp_path / "own" / "report" / "table.csv").read_text().splitlines()
    row = dict(zip(header.split(","), map(float, first.split(",")), strict=True))
    assert row["calibration_error"] == pytest.approx(0.545)
    assert row["measure_6"] == 6
    printed = capsys.readouterr().out.replace("\n", " ")
    assert "more columns, in table.csv" in printed
    assert measured(collect(tmp_path / "own"))[0] == "calibration_error"
    assert files


def test_rows_between_evaluations_break_no_curve(tmp_path):
    folder = tmp_path / "own"
    for seed in (0, 1, 2):
        run = fabricate(folder, seed=seed)
        lines = (run / "metrics.csv").read_text().splitlines()
        rows = [f"{line}," for line in lines[1:]]
        rows[2:2] = [f"{step},,,,,{step / 10 + seed}" for step in (3, 5)]
        (run / "metrics.csv").write_text("\r\n".join([f"{lines[0]},mix.ratio", *rows]) + "\r\n")
    steps = collect_steps(folder)
    assert steps["mix_ratio"].drop_nulls().sort().to_list() == [0.3, 0.5, 1.3, 1.5, 2.3, 2.5]
    table = collect(folder)
    (figure,) = [figure for name, figure in figures(table, steps, [], "name") if name == "error_vs_step"]
    assert figure.axes[0].lines[0].get_xdata().tolist() == [1, 10, 100]
    report(folder)
    assert "mix_ratio" in (folder / "report" / "table.csv").read_text().splitlines()[0]


def test_the_page_draws_what_was_logged_between_evaluations(tmp_path, monkeypatch):
    runs = [fabricate(tmp_path, seed=seed, steps=(0, 1, 10, 100)) for seed in (0, 1)]
    for run in runs:
        lines = (run / "metrics.csv").read_text().splitlines()
        rows = [f"{line}," for line in lines[1:]] + [f"{step},,,,,{step}" for step in range(101, 400)]
        (run / "metrics.csv").write_text("\r\n".join([f"{lines[0]},ratio", *rows]) + "\r\n")
    monkeypatch.setattr("overparam.analysis.local_page.MOST_STEPS", 40)
    steps = collect_steps(tmp_path)
    table = collect(tmp_path).with_columns(ratio=collect(tmp_path)["seed"] * 1.0)
    data = page_data("own", table, steps, [])["steps"]
    errors = [value for value in data["quantities"]["test_error"] if value is not None]
    assert len(errors) == 8  # evaluations are kept whole
    assert 2 < len(data["step"]) - 8 <= 44
    assert set(data["quantities"]["ratio"]) > {None, 101}


def test_runs_without_a_network_of_the_labs_or_its_data_are_reported(tmp_path):
    folder = tmp_path / "own"
    for seed in (0, 1):
        fabricate(folder, seed=seed, noise=0.2)
        other = fabricate(folder, seed=seed, noise=0.0, n=60, **{"module._target_": "mine.Lit"})
        content = json.loads((other / "summary.json").read_text())
        gone = ("model.", "data.label_noise", "data.n_train")
        content["config"] = {k: v for k, v in content["config"].items() if not k.startswith(gone)}
        (other / "summary.json").write_text(json.dumps(content))
    assert "error_vs_step" in names_of_figures(folder)
    assert collect(folder)["module._target_"].n_unique() == 2
    alone = tmp_path / "alone"
    alone.mkdir()
    other.rename(alone / other.name)
    assert "error_vs_step" in names_of_figures(alone)


def test_warnings_are_printed_with_the_runs_they_are_of(sweep, capsys):
    for run in list(sweep.glob("mlp-*"))[:2]:
        rewrite_summary(run, warnings=["measure norms failed: no weights"])
    report(sweep)
    printed = capsys.readouterr().out
    assert "warning of 2 of 6 runs: measure norms failed: no weights" in printed.replace("\n", "")


def test_warnings_that_differ_in_numbers_alone_are_one_line():
    said = [
        "test error 0.943 is worse than chance (0.900)",
        "test error 9.61e-1 is worse than chance (0.900)",
    ]
    table = pl.DataFrame({"warnings": [[said[0], "measure norms failed: no weights"], [said[1]], []]})
    assert [*warnings(table)] == [
        f"warning of 2 of 3 runs: such as {said[0]}",
        "warning of 1 of 3 runs: measure norms failed: no weights",
    ]


def test_a_summary_from_before_has_its_warnings_under_their_old_name(sweep):
    run = next(sweep.glob("mlp-*"))
    content = json.loads((run / "summary.json").read_text())
    del content["warnings"]
    (run / "summary.json").write_text(json.dumps({**content, "alarms": ["worse than chance"]}))
    assert collect(sweep).filter(identity=run.name)["warnings"].to_list() == [["worse than chance"]]


@pytest.mark.parametrize(
    ("logger", "project"),
    [
        ({"wandb": {"_target_": WANDB, "project": "mine"}, "csv": {"_target_": "a.CSVLogger"}}, "mine"),
        ({"csv": {"_target_": "a.CSVLogger"}, "online": {"_target_": WANDB, "project": "theirs"}}, "theirs"),
        ({"_target_": "overparam.tracking.wandb.wandb_run", "project": "before"}, "before"),
        ({"wandb": {"_target_": "lightning.pytorch.loggers.WandbLogger", "project": "other"}}, None),
        ({"csv": {"_target_": "a.CSVLogger"}}, None),
        (None, None),
    ],
)
def test_the_settings_of_wandb_are_found_among_the_loggers(sweep, logger, project):
    run = sweep / collect(sweep)["identity"][0]
    OmegaConf.save(OmegaConf.create({"logger": logger, "paths": {}}), run / "config.yaml")
    settings = wandb_settings(sweep, collect(sweep))
    assert (settings and settings["project"]) == project
    assert f"{wandb_run.__module__}.{wandb_run.__name__}" == WANDB


def fail(run):
    """Make a finished run one that failed, as training leaves it."""
    config = OmegaConf.create({"name": "own", "paths": {}, "choices": {"model": "mlp"}})
    for key, value in json.loads((run / "summary.json").read_text())["config"].items():
        OmegaConf.update(config, key, value)
    OmegaConf.save(config, run / "config.yaml")
    (run / "summary.json").unlink()
    record_failure(run, "Diverged: loss is nan")


def test_settings_that_failed_stay_in_table_and_figures(tmp_path, capsys):
    runs = {
        (width, seed): fabricate(tmp_path / "own", width=width, seed=seed)
        for width in (4, 8, 16)
        for seed in (0, 1)
    }
    for place in ((8, 0), (8, 1), (16, 1)):
        fail(runs[place])
    report(tmp_path / "own")
    header, *rows = (tmp_path / "own" / "report" / "table.csv").read_text().splitlines()
    found = [dict(zip(header.split(","), row.split(","), strict=True)) for row in rows]
    told = [(row["model.width"], row["seeds"], row["failed"]) for row in found]
    assert told == [("4", "2", "0"), ("8", "0", "2"), ("16", "1", "1")]
    assert " failed " in capsys.readouterr().out
    assert collect(tmp_path / "own")["choices.model"].drop_nulls().to_list() == ["mlp"] * 3
    for place in ((4, 0), (4, 1), (16, 0)):
        fail(runs[place])
    assert tmp_path / "own" / "report" / "figure.png" in report(tmp_path / "own")


def test_a_regression_has_no_share_of_noise_fitted(small, tmp_path, capsys):
    """1 - a squared error was printed as one, -2.63 say, whatever the loss."""
    noisy = ("data=teacher_regression", "data.label_noise=2", "trainer.max_steps=2")
    for loss, seed in (("mse", 0), ("huber", 0), ("huber", 1)):
        loss_of = (
            ("loss=mse",) if loss == "mse" else ("loss=mse", "loss._target_=tests.analysis.test_report.huber")
        )
        train(small(*noisy, *loss_of, f"seed={seed}", f"name={loss}"))
        (path, *_) = (tmp_path / loss).glob("*/summary.json")
        assert json.loads(path.read_text())["train_error_noisy"] is None
    capsys.readouterr()
    report(tmp_path / "huber")
    header, *rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("┃", "│"))]
    assert rows
    assert "test error" in header
    assert "noise fitted" not in header


def huber(outputs, y):
    return F.huber_loss(outputs, y, reduction="none").mean(1)
