"""A sweep that an earlier version began, whose folders read otherwise: nothing of it is trained again or renamed."""

import json
from pathlib import Path

from overparam.analysis.collect import collect
from tests.command_line import command_line

GRID = ("optimizer=adam,sgd", "scheduler=cosine", "data.n_train=20", "trainer.max_steps=2", "model.width=3")
WORDS = (*GRID, "logger=local", "trainer.accelerator=cpu")


def renamed(folder: Path) -> Path:
    """Give a folder the name that a run had when a name said the network and numbers, in all of its files too."""
    old = folder.with_name("mlp-" + folder.name[folder.name.index("w3-") :])
    for file in folder.glob("*.[jy]*"):
        file.write_text(file.read_text().replace(folder.name, old.name))
    return folder.rename(old)


def test_it_continues_with_nothing_trained_again(tmp_path: Path) -> None:
    logs, sweep = f"paths.logs={tmp_path}", tmp_path / "runs"

    def train(*words: str) -> str:
        done = command_line("train.py", *WORDS, logs, *words)
        assert done.returncode == 0, done.stderr
        return done.stderr

    train("-m", "pack=off")
    begun = [renamed(path.parent) for path in sweep.glob("*/summary.json")]
    assert sorted(path.name[:9] for path in begun) == ["mlp-w3-d1"] * 2
    written = {path: path.stat().st_mtime_ns for folder in begun for path in folder.iterdir()}
    assert "2 runs: 2 finished, 0 to train" in train("-m", "pack=off")
    assert "4 runs: 2 finished, 2 to train" in train("-m", "seed=0,1")
    assert "4 runs: 4 finished, 0 to train" in train("-m", "seed=0,1", "pack=all")
    assert "finished before" in train("optimizer=sgd")
    assert {path: path.stat().st_mtime_ns for path in written} == written
    runs = collect(sweep).sort("seed", "choices.optimizer")
    assert runs["status"].unique().to_list() == ["finished"]
    reads = [name.rpartition("-")[0] for name in runs["identity"]]
    assert reads[:2] == ["mlp-w3-d1-n20-p0-s0"] * 2
    assert reads[2:] == [f"mlp-{words}-w3-d1-n20-p0-s1" for words in ("cosine", "sgd-cosine")]
    status = command_line("status.py", str(sweep))
    assert status.stdout.startswith(f"{sweep}: 4 runs, 4 finished")
    page = (sweep / "report" / "index.html").read_text()
    assert all(name in page for name in runs["identity"])
    plan = command_line("plan.py", "-m", *WORDS, logs, f"plan.json={tmp_path / 'plan.json'}")
    assert plan.returncode == 0, plan.stderr
    planned = json.loads((tmp_path / "plan.json").read_text())
    assert {row["identity"] for row in planned} == {path.name for path in begun}
