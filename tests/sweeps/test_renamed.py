"""A sweep that an earlier version began, whose folders read otherwise: nothing of it is trained again or renamed."""

from pathlib import Path

import overparam as op
from overparam.sweeps.plan import plan
from tests.command_line import command_line

RUN = (
    "scheduler=cosine",
    "data.n_train=20",
    "trainer.max_steps=2",
    "model.width=3",
    "trainer.accelerator=cpu",
)


def renamed(folder: Path) -> Path:
    """Give a folder the name that a run had when a name said the network and numbers, in all of its files too."""
    old = folder.with_name("mlp-" + folder.name[folder.name.index("w3-") :])
    for file in folder.glob("*.[jy]*"):
        file.write_text(file.read_text().replace(folder.name, old.name))
    return folder.rename(old)


def test_it_continues_with_nothing_trained_again(tmp_path: Path) -> None:
    own, sweep = (*RUN, "logger=local", f"paths.logs={tmp_path}"), tmp_path / "runs"

    def train(*words: str) -> str:
        done = command_line("train.py", "-m", "optimizer=adam,sgd", *own, *words)
        assert done.returncode == 0, done.stderr
        return done.stderr

    train("pack=off")
    begun = {renamed(path.parent).name for path in sweep.glob("*/summary.json")}
    assert {name.rpartition("-")[0] for name in begun} == {"mlp-w3-d1-n20-p0-s0"}
    written = {path: path.stat().st_mtime_ns for name in begun for path in (sweep / name).iterdir()}
    assert "4 runs: 2 finished, 2 to train" in train("seed=0,1")
    assert "4 runs: 4 finished, 0 to train" in train("seed=0,1", "pack=all")
    words = [*own, "optimizer=sgd"]
    assert op.train(words)["identity"] == plan([(op.compose(words), words)])[0].identity in begun
    assert {path: path.stat().st_mtime_ns for path in written} == written
    runs = op.collect(sweep).sort("seed", "choices.optimizer")
    assert runs["status"].unique().to_list() == ["finished"]
    assert set(runs["identity"][:2]) == begun
    reads = [name.rpartition("-")[0] for name in runs["identity"][2:]]
    assert reads == [f"mlp-{words}-w3-d1-n20-p0-s1" for words in ("cosine", "sgd-cosine")]
    reported = (sweep / "report" / "runs.csv").read_text()
    assert all(name in reported for name in runs["identity"])
    status = command_line("status.py", str(sweep))
    assert status.stdout.startswith(f"{sweep}: 4 runs, 4 finished")
