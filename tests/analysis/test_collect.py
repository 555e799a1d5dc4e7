import shutil

import polars as pl
import pytest
from fabricated import fabricate, rewrite_summary
from omegaconf import OmegaConf

from overparam.analysis import collect as module
from overparam.analysis.collect import collect, collect_steps
from overparam.analysis.swept import swept
from overparam.runs.state import record_failure


def read_afresh(folder, function=collect):
    """Collect a copy of the folder without its cache."""
    copy = folder.parent / "afresh" / folder.name
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("report"))
    table = function(copy)
    shutil.rmtree(copy)
    return table


def test_a_row_a_run_holds_the_summary_and_the_config_typed(sweep):
    table = collect(sweep)
    assert len(table) == 6
    row = table.row(by_predicate=(pl.col("model.width") == 16) & (pl.col("seed") == 1), named=True)
    assert row["test_error"] == pytest.approx(0.41)
    assert row["params"] == 75 * 16 + 10
    assert row["status"] == "finished"
    assert row["command"] == "train.py -m"
    types = {
        "params": pl.Int64,
        "test_error": pl.Float64,
        "model.width": pl.Int64,
        "warnings": pl.List(pl.String),
    }
    assert {key: table.schema[key] for key in types} == types


def test_a_value_that_is_whole_in_some_runs_only_is_a_float(tmp_path):
    fabricate(tmp_path, seed=0, noise=0)
    fabricate(tmp_path, seed=1, noise=0.5)
    assert sorted(collect(tmp_path)["data.label_noise"]) == [0.0, 0.5]


def test_regimes_are_read_off_the_training_error(sweep):
    table = collect(sweep).group_by("model.width").agg(pl.col("regime").unique()).sort("model.width")
    assert table["regime"].to_list() == [["under"], ["critical"], ["over"]]


def test_long_form_has_a_row_an_evaluation_and_drops_a_torn_one(sweep):
    run = next(sweep.glob("mlp-w4-*-s0-*"))
    with (run / "metrics.csv").open("a") as file:
        file.write(
            "1000,0.1,0.1,0.1,0.1"
        )  # killed before the end of the line: the last digits may be missing
    steps = collect_steps(sweep)
    assert steps.schema["step"] == pl.Int64
    assert steps.filter(identity=run.name)["step"].to_list() == [0, 1, 10, 100]
    assert len(steps) == 24


def test_failed_and_unfinished_runs_are_rows_with_their_config_and_reason(sweep):
    config = OmegaConf.create({"model": {"width": 3}, "seed": 7, "logger": None})
    for name in ("failed", "killed"):
        (sweep / name).mkdir()
        OmegaConf.save(config, sweep / name / "config.yaml")
    record_failure(sweep / "failed", "out of memory")
    table = collect(sweep).filter(pl.col("status") != "finished").sort("identity")
    assert table["status"].to_list() == ["failed", "unfinished"]
    assert table["reason"].to_list() == ["out of memory", None]
    assert table["model.width"].to_list() == [3, 3]
    assert table["test_error"].to_list() == [None, None]


def test_a_second_call_reads_only_what_changed(sweep, monkeypatch):
    collect(sweep)
    new = fabricate(sweep, width=128, seed=0)
    changed = next(sweep.glob("mlp-w4-*-s0-*"))
    rewrite_summary(changed, test_error=0.875)
    gone = next(sweep.glob("mlp-w4-*-s1-*"))
    shutil.rmtree(gone)
    read = []
    record = module._record
    monkeypatch.setattr(module, "_record", lambda run: (read.append(run), record(run))[1])
    table = collect(sweep)
    assert set(read) == {new, changed}
    assert gone.name not in table["identity"]
    assert table.filter(identity=changed.name)["test_error"].item() == 0.875
    assert table.equals(read_afresh(sweep))
    assert collect_steps(sweep).equals(read_afresh(sweep, collect_steps))


def test_a_retried_run_replaces_its_failure(sweep):
    run = next(sweep.glob("mlp-w4-*-s0-*"))
    summary = (run / "summary.json").read_text()
    (run / "summary.json").unlink()
    record_failure(run, "RuntimeError: no luck")
    row = collect(sweep).row(by_predicate=pl.col("identity") == run.name, named=True)
    assert (row["status"], row["reason"]) == ("failed", "RuntimeError: no luck")
    (run / "summary.json").write_text(summary)
    assert collect(sweep)["status"].to_list() == ["finished"] * 6


def test_a_broken_cache_is_read_over(sweep):
    table = collect(sweep)
    for file in (sweep / "report" / "cache").iterdir():
        file.write_bytes(b"not parquet")
    assert collect(sweep).equals(table)


def test_sweeps_folders_of_sweeps_and_runs_can_be_named(sweep):
    other = fabricate(sweep.parent / "other", width=8)
    assert len(collect(sweep.parent)) == 7
    assert len(collect(sweep, sweep.parent / "other")) == 7
    assert collect(other)["identity"].to_list() == [other.name]
    (other / "nothing").mkdir()
    with pytest.raises(FileNotFoundError, match="no run in"):
        collect(other / "nothing")


def test_swept_keys_are_found_without_seeds_and_without_what_follows_another_key(tmp_path):
    for width in (4, 8, 16):
        for steps in (10, 20):
            for seed in (0, 1):
                config = {"trainer.max_steps": steps, "scheduler.T_max": steps}
                fabricate(tmp_path, width=width, seed=seed, **config)
    assert swept(collect(tmp_path)) == ["model.width", "trainer.max_steps"]
