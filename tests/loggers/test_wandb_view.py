"""The saved view: what W&B draws in each panel, from what it was sent, is what the local table says."""

import json
from urllib.parse import unquote

import polars as pl
import pytest

from overparam.analysis.collect import collect, collect_steps
from overparam.analysis.curves import over_seeds
from overparam.analysis.report import report, workspace
from overparam.claims.ledger import Entry, save_entry
from overparam.claims.verdict import Effect
from overparam.loggers.wandb_view import save_workspace
from overparam.training.run import train
from tests.conftest import compose_config

pytest.importorskip("wandb_workspaces", reason="wandb-workspaces is not installed")

SMALL = (
    "data.n_train=60",
    "trainer.max_steps=20",
    "trainer.accelerator=cpu",
    "logger=wandb",
    "measures=norms",
)
KEYS = ["model.width", "data.label_noise"]
EFFECT = Effect("peak", "a peak", above=0.1, values=[0.25, 0.375, 0.3], below=None)


@pytest.fixture
def view(server, tmp_path):
    """Trains two widths, two noise rates and two seeds online, reports, and saves the view."""
    for width in (2, 4):
        for noise in (0, 0.2):
            for seed in (0, 1):
                swept = (f"model.width={width}", f"data.label_noise={noise}", f"seed={seed}")
                train(compose_config(*SMALL, *swept, "name=sweep", f"paths.logs={tmp_path}"))
    (tmp_path / "claims").mkdir()
    names = {"01_model_wise": 1, "02_epoch_wise": 2}
    for name, number in names.items():
        save_entry(
            Entry(number, name, "It peaks.", "now", [EFFECT], "x.png", [], [0], 1.0), tmp_path / "claims"
        )
    report(tmp_path / "sweep")
    workspace(tmp_path / "sweep")
    return View(server, tmp_path / "sweep")


class View:
    """Draws the panels of the saved view as W&B does, from runs that it keeps."""

    def __init__(self, server, folder):
        self.server, self.folder = server, folder
        (saved,) = server.views.values()
        self.spec = json.loads(saved["spec"])
        sections = self.spec["section"]["panelBankConfig"]["sections"]
        self.sections = {section["name"]: section["panels"] for section in sections if section["panels"]}
        self.runs = {run["displayName"]: run for run in server.runs.values() if run["jobType"] == "train"}

    def panels(self, kind):
        return [p["config"] for panels in self.sections.values() for p in panels if p["viewType"] == kind]

    def value(self, run, key):
        """What a panel's key says of a run."""
        where, _, name = key.partition(":")
        if where == "config":
            value = run["config"]
            for part in name.split("."):
                value = value[part]
            return value
        return run["summary"].get(name)

    def table(self, key):
        """The rows of a table that a run has under a key of its summary."""
        (found,) = [run for run in self.server.runs.values() if key in run["summary"]]
        content = json.loads(self.server.contents[found["name"], unquote(found["summary"][key]["path"])])
        return [dict(zip(content["columns"], row, strict=True)) for row in content["data"]]


def local_name(key):
    return key.partition(":")[2].replace(".value", "")


def test_every_panel_draws_the_numbers_of_the_local_table(view):
    runs = collect(view.folder)
    assert len(runs) == len(view.runs) == 8
    assert list(view.sections) == ["Double descent", "By regime", "Measures", "Over training", "Claims"]
    check_scatter(view, runs)
    check_curves(view, runs)
    check_steps(view)
    assert [row["name"] for row in view.table("claims")] == ["01_model_wise", "02_epoch_wise"]
    assert view.table("claims")[0]["verdict"] == "holds"
    assert "a peak: 0.308" in view.table("claims")[0]["effects"]


def check_scatter(view, runs):
    drawn = view.panels("Scatter Plot")
    shown = [(local_name(panel["xAxis"]), local_name(panel["yAxis"])) for panel in drawn]
    expected = [("params_per_sample", "test_error"), *((key, "test_error") for key in KEYS)]
    expected += [("params_per_sample", "train_error"), ("params_per_sample", "interpolation_step")]
    assert shown[: len(expected)] == expected
    measured = {y for x, y in shown[len(expected) :]}
    assert measured >= {"weight_norm", "path_norm"}
    for panel, (x, y) in zip(drawn, shown, strict=True):
        there = {
            n: (view.value(r, panel["xAxis"]), view.value(r, panel["yAxis"])) for n, r in view.runs.items()
        }
        here = {row["identity"]: (row[x], row[y]) for row in runs.iter_rows(named=True)}
        assert there == here, (x, y)


def check_curves(view, runs):
    curves = view.panels("Vega2")
    fields = [panel["userQuery"]["queryFields"][0]["fields"] for panel in curves]
    (keys,) = zip(
        *[[f["args"][0]["value"] for f in q if f["name"] == "summaryTable"] for q in fields], strict=True
    )
    assert keys == ("error_curve_table", "loss_curve_table", "regimes_table")
    for quantity in ("error", "loss"):
        points = {
            (row["step"], row["lineKey"]): row["lineVal"] for row in view.table(f"{quantity}_curve_table")
        }
        means = over_seeds(runs, KEYS, [f"test_{quantity}", f"train_{quantity}"])
        assert points == {
            (row["model.width"], f"{part}, label noise {row['data.label_noise']:g}"): row[
                f"{part}_{quantity}"
            ]
            for row in means.iter_rows(named=True)
            for part in ("test", "train")
        }
    by_regime = runs.group_by("regime", "params_per_sample").agg(pl.col("test_error").mean())
    points = {(row["lineKey"], row["step"]): row["lineVal"] for row in view.table("regimes_table")}
    assert points == {row[:2]: pytest.approx(row[2]) for row in by_regime.rows()}
    assert {run["summary"]["regime"] for run in view.runs.values()} == set(runs["regime"])


def check_steps(view):
    steps = collect_steps(view.folder)
    drawn = view.panels("Run History Line Plot")
    assert {key for panel in drawn for key in panel["metrics"]} == {
        *("test_error", "train_error", "test_loss", "train_loss", "train_error_clean", "train_error_noisy")
    }
    for panel in drawn:
        # A line a group of the view, see below, with a band over its seeds.
        assert (panel["aggregate"], panel["groupAgg"], panel["groupArea"]) == (True, "mean", "stderr")
        for key in panel["metrics"]:
            for name, run in view.runs.items():
                there = [
                    (row[panel["xAxis"]], row[key]) for row in run["history"] if row.get(key) == row.get(key)
                ]
                here = steps.filter(identity=name).select("step", key).filter(~pl.col(key).is_nan()).rows()
                assert there == here, (name, key)


def test_the_view_is_of_this_sweep_and_groups_its_runs_by_setting(view):
    text = json.dumps(view.spec)
    assert '"sweep"' in text
    runset = view.spec["section"]["runSets"][0]
    assert [key["name"] for key in runset["grouping"]] == ["model.value.width", "data.value.label_noise"]
    wanted = {"train", "report", "claims"}
    assert {run["jobType"] for run in view.server.runs.values()} == wanted
    assert all(f'"{kind}"' in json.dumps(runset["filters"]) for kind in wanted)


def test_names_are_bars(server, tmp_path):
    logger = {"project": "p", "entity": "lab"}
    save_workspace(tmp_path / "sweep", logger, [], [], ["choices.optimizer"], [])
    view = View(server, tmp_path / "sweep")
    (bars,) = view.panels("Bar Chart")
    assert (bars["metrics"], bars["groupBy"]) == (["test_error"], "choices.value.optimizer")
    assert "Claims" not in view.sections
