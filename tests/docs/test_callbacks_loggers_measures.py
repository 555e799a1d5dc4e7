"""The guide to callbacks, loggers and measures of one's own."""

from overparam.runs.metrics import read_metrics


def test_the_guide(follow):
    guide = follow("callbacks_loggers_measures.md")
    (directory,) = guide.folder.glob("logs/watched/mlp-*")
    rows = read_metrics(directory)
    assert sum("gradient_norm" in row for row in rows) == 20
    assert all(row["lr-Adam"] == 0.01 for row in rows if "lr-Adam" in row)
    (stopped,), (averaged,), (chosen,) = map(guide.summaries, ("stopped", "averaged", "chosen"))
    assert stopped["steps"] < averaged["steps"] == chosen["steps"] == 20
    (directory,) = guide.folder.glob("logs/chosen/mlp-*")
    assert chosen["val_error"] == min(row["val_error"] for row in read_metrics(directory))
    (logged,) = guide.folder.glob("logs/logged/mlp-*")
    for files in ("wandb/offline-run-*/*.wandb", "tensorboard/*/events*", "lines/*/metrics.csv"):
        assert len(list(logged.glob(files))) == 1
    for run in guide.summaries("measured"):
        assert 0 < run["calibration"] < 1
        assert 0.1 < run["test_confidence"] < run["train_confidence"] < 1
        assert run["weight_norm"] > 0
        assert run["warnings"] == []
    assert "calibration" in (guide.folder / "logs/measured/report/runs.csv").read_text()
