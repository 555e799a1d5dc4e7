import subprocess
import sys

import polars as pl
import pytest
import wandb
from PIL import Image

from overparam.loggers.wandb_report import log_report

LOGGER = {
    "project": "p",
    "entity": "lab",
    "mode": "auto",
    "tags": None,
    "init_timeout": 5,
    "finish_timeout": 10,
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sweep" / "report").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "sweep" / "report" / "figure.png")
    return tmp_path / "sweep"


def log(folder, **logger):
    table = pl.DataFrame({"model.width": [4, 8], "test_error": [0.25, 0.125], "test_error_std": [0.1, None]})
    figures = [folder / "report" / "figure.png"]
    log_report(folder, {**LOGGER, **logger}, figures, table, {"finished": 6})


def assert_logged(run):
    assert (run["group"], run["jobType"]) == ("sweep", "report")
    assert run["summary"]["finished"] == 6
    assert run["summary"]["figure"]["_type"] == "image-file"
    assert run["summary"]["table"]["_type"] == "table-file"
    assert (run["summary"]["table"]["nrows"], run["summary"]["table"]["ncols"]) == (2, 3)
    assert any(file.startswith("media/images/figure") for file in run["files"])
    assert any(file.startswith("media/table/table") for file in run["files"])
    assert run["exitcode"] == 0


def test_the_figures_and_the_table_are_a_report_run_of_the_sweep(server, folder):
    log(folder)
    assert_logged(server.named("report-sweep"))


def test_offline_a_newer_report_replaces_the_older_and_syncs_to_the_same(server, folder):
    log(folder, mode="offline")
    log(folder, mode="offline")
    wandb.teardown()  # its process writes the file, and may be behind
    (run,) = (folder / "report" / "wandb").glob("offline-run-*")
    subprocess.run(
        [sys.executable, "-m", "wandb", "sync", "--yes", str(run)],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    assert_logged(server.named("report-sweep"))


def test_what_logs_a_report_does_without_the_weight_of_lightning(folder, monkeypatch):
    monkeypatch.setenv("FOLDER", str(folder))
    code = (
        "import os, sys; from pathlib import Path; import polars as pl\n"
        "from overparam.loggers.wandb_report import log_report\n"
        f"logger = {LOGGER | {'mode': 'offline'}}\n"
        "log_report(Path(os.environ['FOLDER']), logger, [], pl.DataFrame({'a': [1]}), {})\n"
        "print([name for name in ('torch', 'lightning') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
    assert list(folder.glob("report/wandb/offline-run-*"))
