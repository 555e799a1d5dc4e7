import math

import pytest
import torch
from hydra import compose, initialize_config_dir

from overparam.errors import ConfigError
from overparam.loggers.metrics_table import read_metrics
from overparam.measures.subject import run_measures
from overparam.paths import CONFIGS
from overparam.runs.identity import run_directory
from overparam.training.build import assemble
from overparam.training.run import train

CHEAP = "measures=[norms,margins,sharpness,rank,units,memorization,bounds]"


def config(logs, *overrides):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        fixed = ["logger=local", f"paths.logs={logs}", "trainer.max_steps=12", "data.n_train=60"]
        return compose("train", overrides=[*fixed, "trainer.accelerator=cpu", *overrides])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    logs = tmp_path_factory.mktemp("logs")
    dropout = "model.dropout=0.3"  # so that training draws random numbers that a measure could disturb
    plain = config(logs, "model.width=8", dropout)
    measured = config(logs, "model.width=8", dropout, CHEAP, "measures.norms.at=evaluations")
    return {name: (train(cfg), run_directory(cfg)) for name, cfg in (("off", plain), ("on", measured))}


def test_measures_go_to_the_summary_and_the_last_row(runs):
    summary, run_dir = runs["on"]
    last = read_metrics(run_dir)[-1]
    for key in ("path_norm", "margin_mean", "sam_sharpness", "feature_rank_share", "dead_units"):
        assert summary[key] == last[key]
    assert summary["noise_fitted"] is None  # no noise to fit


def test_at_evaluations_measures_every_row_and_at_end_only_the_last(runs):
    rows = read_metrics(runs["on"][1])
    assert all("weight_norm" in row for row in rows)
    assert rows[0]["distance_from_init"] == 0
    assert ["margin_mean" in row for row in rows] == [False] * (len(rows) - 1) + [True]


def test_measuring_does_not_change_training(runs):
    assert runs["on"][0]["train_loss"] == runs["off"][0]["train_loss"]
    weights = [torch.load(run_dir / "weights.pt") for _, run_dir in runs.values()]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert runs["on"][0]["identity"] != runs["off"][0]["identity"]


def test_without_measures_there_are_no_columns(runs):
    assert len(read_metrics(runs["off"][1])[-1]) <= 7


# What is defined for some networks only: a bound for layers that are linear (and a margin that is positive), units for
# ReLU, paths for a network that is positively homogeneous, the others for linear regression.
UNDEFINED = {"bound_spectral", "min_norm_distance", "nearest_interpolator_distance"}
WITHOUT_RELU = {"dead_units", "active_share", "used_units", "path_norm"}


@pytest.mark.parametrize(
    ("model", "knobs", "undefined"),
    [
        ("mlp", [], UNDEFINED),
        ("preact_resnet18", ["model.blocks=[1,1]"], UNDEFINED),
        ("vgg", ["model.depth=11"], UNDEFINED),
        ("transformer", [], UNDEFINED | WITHOUT_RELU),
    ],
)
def test_every_measure_works_on_every_family(tmp_path, model, knobs, undefined):
    names = sorted(path.stem for path in (CONFIGS / "measures").glob("*.yaml"))
    small = [
        "model.width=2",
        "data.label_noise=0.3",
        "trainer.max_steps=2",
        "data.n_train=30",
        "data.held_out=10",
    ]
    cfg = config(tmp_path, f"model={model}", f"measures=[{','.join(names)}]", *small, *knobs)
    summary = train(cfg)
    last = read_metrics(run_directory(cfg))[-1]
    finite = {key for key, value in last.items() if math.isfinite(value)}
    assert set(last) - finite <= undefined
    assert {"hessian_top", "kernel_change", "flops"} <= summary.keys() & finite


def test_two_measures_of_one_name_are_refused(mlp):
    row, failures = run_measures({"a": lambda _: {"v": 1.0}, "b": lambda _: {"v": 2.0}}, mlp, seed=0)
    assert row["v"] == 1.0
    assert math.isnan(row["b"])
    assert failures == ["measures.b failed: ValueError: it returns v: that name is taken"]
    row, failures = run_measures({"a": lambda _: {"params": 1.0}}, mlp, seed=0)
    assert row.keys() == {"a"}
    assert "params" in failures[0]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("measures.norms.at=never", r"measures\.norms\.at must be end or evaluations"),
        ("measures.sharpness.radius=wide", r"measures\.sharpness\.radius must be a number"),
    ],
)
def test_a_wrong_knob_is_one_line(tmp_path, override, message):
    with pytest.raises(ConfigError, match=message):
        assemble(config(tmp_path, "measures=[norms,sharpness]", override))
