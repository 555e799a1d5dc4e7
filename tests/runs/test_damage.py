"""A file that is torn, empty or garbage costs its own run at most: it is named, set aside, and the run trains again."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import overparam as op
from overparam.analysis.collect import collect, collect_steps
from overparam.analysis.report import draw_view, report
from overparam.errors import ConfigError
from overparam.loggers.metrics_table import MetricsTable
from overparam.packs.pack import train_pack
from overparam.runs.damage import damage
from overparam.runs.identity import run_directory
from overparam.runs.state import State, read_failure, record_failure, run_directories, state
from overparam.runs.summary import read_summary
from overparam.runs.views import View
from overparam.studies.study import study
from overparam.sweeps.price import trial_runs
from overparam.training.loggers import send_rest
from overparam.training.run import train
from tests.command_line import command_line

FINISHED = ("summary.json", "config.yaml", "metrics.csv", "provenance.json", "weights.pt")
DAMAGE = {
    "empty": lambda content: b"",
    "torn": lambda content: content[: len(content) // 2],
    "garbage": lambda content: b"\x00\xff[garbage" * 3,
}


def spoil(path: Path, how: str) -> bytes:
    content = DAMAGE[how](path.read_bytes())
    path.write_bytes(content)
    return content


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of three runs."""
    logs = tmp_path_factory.mktemp("finished")
    options = ["data.n_train=60", "trainer.max_steps=40", "trainer.accelerator=cpu", "logger=local"]
    for seed in range(3):
        op.train([*options, f"paths.logs={logs}", f"seed={seed}", "name=whole"])
    return logs / "whole"


@pytest.fixture
def sweep(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "whole"))


def predict(runs: Any) -> list[dict[str, Any]]:
    return [{"parameters": sum(p.numel() for p in runs[0].net.parameters())}]


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("name", FINISHED)
def test_a_finished_run_is_set_aside_and_trains_again(
    sweep: Path, small: Any, name: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    victim, *others = run_directories(sweep)
    spoiled = spoil(victim / name, how)
    assert (state(victim), [state(run) for run in others]) == (State.WAITING, [State.FINISHED] * 2)

    table = collect(sweep).sort("status")
    assert table["status"].to_list() == ["finished", "finished", "unfinished"]
    assert name in table["reason"][2]
    assert len(collect_steps(sweep).drop_nulls("test_error")["identity"].unique()) >= 2
    assert len(report(sweep)) > 5
    assert len(study(sweep, "mine", predict, "run", {})) == 2
    with pytest.raises(ConfigError, match=name):
        op.load(victim)
    assert (
        sorted(path.name for path in victim.iterdir() if ".damaged" in path.name) == []
    )  # readers only read

    caplog.clear()
    seed = victim.name.partition("-s")[2][0]
    cfg = small("name=whole", f"seed={seed}")
    assert run_directory(cfg) == victim
    train(cfg)
    (said,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert name in said
    assert victim.name in said
    (aside,) = (sweep / ".replaced").iterdir()
    assert (aside / name).read_bytes() == spoiled
    assert state(victim) == State.FINISHED
    assert collect(sweep)["status"].to_list() == ["finished"] * 3


def test_what_is_whole_is_no_damage(finished: Path) -> None:
    assert [damage(run) for run in run_directories(finished)] == [None] * 3


@pytest.mark.parametrize("how", DAMAGE)
def test_what_a_report_knew_of_a_run_outlives_its_config(sweep: Path, how: str) -> None:
    report(sweep)
    for run in run_directories(sweep):
        spoil(run / "config.yaml", how)
    assert len(report(sweep)) > 5


@pytest.mark.parametrize(
    "content", ['{"steps": "4"}', '{"train_error": [0.5]}', '{"params": "many", "test_error": false}']
)
def test_a_summary_of_something_else_is_damaged(sweep: Path, content: str) -> None:
    victim = run_directories(sweep)[0]
    summary = {**json.loads((victim / "summary.json").read_text()), **json.loads(content)}
    (victim / "summary.json").write_text(json.dumps(summary))
    assert "is no number" in str(damage(victim))
    assert len(report(sweep)) > 5


@pytest.mark.parametrize("name", FINISHED)
def test_a_file_that_cannot_be_read_costs_its_own_run(sweep: Path, name: str) -> None:
    victim = run_directories(sweep)[0]
    (victim / name).unlink()
    (victim / name).symlink_to(name)  # as good as a file of somebody else's
    assert collect(sweep)["status"].to_list().count("finished") == 2
    assert len(report(sweep)) > 5
    status = command_line("status.py", str(sweep))
    assert "finished" in status.stdout
    assert "Traceback" not in status.stderr
    assert status.returncode == (0 if name == "summary.json" else 1)


@pytest.mark.parametrize("name", ["summary.json", "config.yaml"])
def test_a_report_on_runs_of_another_program_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text('{"config": {}}')
    for make in (report, lambda folder: draw_view(folder, View(x="width"))):
        with pytest.raises(FileNotFoundError, match=r"^no run in .* config$"):
            make(tmp_path)


def test_links_that_lead_nowhere_are_no_runs(sweep: Path) -> None:
    for name, place in (("self", "self"), ("lost", "nowhere"), ("up", "."), (".#lock", "me@here.1")):
        (sweep / name).symlink_to(place)
    assert len(collect(sweep)) == len(run_directories(sweep)) == 3


def test_a_folder_without_runs_stays_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no run in"):
        report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_run_is_sent_to_nobody(sweep: Path, caplog: pytest.LogCaptureFixture) -> None:
    victim = run_directories(sweep)[0]
    (victim / "wandb" / "offline-run-1").mkdir(parents=True)
    (victim / "wandb" / "offline-run-1" / "run-1.wandb").touch()
    spoil(victim / "config.yaml", "garbage")
    assert not send_rest(victim)
    assert f"{victim}: config.yaml is damaged" in caplog.text


def test_a_damaged_run_is_no_trial(sweep: Path, caplog: pytest.LogCaptureFixture) -> None:
    victim, gone, _ = run_directories(sweep)
    spoil(victim / "config.yaml", "garbage")
    (gone / "config.yaml").unlink()
    assert len(trial_runs(str(sweep))) == 1
    assert f"left out: {victim}: config.yaml is damaged" in caplog.text


@pytest.mark.parametrize("content", [b"", b"[]", b"nonsense", b"\xff"])
def test_a_killed_run_continues_whatever_became_of_its_provenance(killed: Any, content: bytes) -> None:
    cfg, whole = killed
    (run_directory(cfg) / "provenance.json").write_bytes(content)
    assert {**train(cfg), "wall_seconds": 0} == {**whole, "wall_seconds": 0}


class Killed(BaseException):
    """As good as a kill: nothing is written after it."""


@pytest.fixture
def killed(small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A config whose run was killed on its way, behind its last checkpoint; and what it ends with."""
    options = ("checkpoint_seconds=0.001", "data.batch_size=20", "optimizer=sgd")
    whole = train(small(*options, f"paths.logs={tmp_path / 'undisturbed'}"))
    log_metrics = MetricsTable.log_metrics

    def kill(self: MetricsTable, metrics: dict[str, float], step: int | None = None) -> None:
        log_metrics(self, metrics, step)
        if step == 40:
            raise Killed

    cfg = small(*options)
    with monkeypatch.context() as patch:
        patch.setattr(MetricsTable, "log_metrics", kill)
        with pytest.raises(Killed):
            train(cfg)
    assert (run_directory(cfg) / "last.ckpt").exists()
    return cfg, whole


def trained_from(caplog: pytest.LogCaptureFixture, run_dir: Path) -> list[str]:
    return [
        r.getMessage()
        for r in caplog.records
        if r.levelno == logging.WARNING and run_dir.name in r.getMessage()
    ]


@pytest.mark.parametrize("how", [*DAMAGE, "another", "partial"])
@pytest.mark.parametrize("together", [False, True], ids=["alone", "pack"])
def test_a_run_whose_checkpoint_is_damaged_starts_anew(
    killed: Any, how: str, together: bool, caplog: pytest.LogCaptureFixture
) -> None:
    cfg, whole = killed
    checkpoint = run_directory(cfg) / "last.ckpt"
    match how:
        case "another":
            torch.save([1, 2], checkpoint)
        case "partial":
            torch.save({"global_step": 5}, checkpoint)
        case _:
            spoil(checkpoint, how)
    content = checkpoint.read_bytes()
    (summary,) = train_pack([cfg]) if together else [train(cfg)]
    assert isinstance(summary, dict), summary
    (aside,) = checkpoint.parent.glob("last.ckpt.damaged-*")
    assert aside.read_bytes() == content
    (said,) = trained_from(caplog, checkpoint.parent)
    assert said.startswith(f"{checkpoint} is damaged (")
    if not together:
        assert {**summary, "wall_seconds": 0} == {**whole, "wall_seconds": 0}


@pytest.mark.parametrize("how", [*DAMAGE, "gone"])
def test_a_run_without_the_rows_before_its_checkpoint_starts_anew(killed: Any, how: str) -> None:
    cfg, whole = killed
    metrics = run_directory(cfg) / "metrics.csv"
    if how == "gone":
        metrics.unlink()
    else:
        spoil(metrics, how)
    assert {**train(cfg), "wall_seconds": 0} == {**whole, "wall_seconds": 0}
    names = {"metrics.csv", "last.ckpt"} - ({"metrics.csv"} if how == "gone" else set())
    assert {path.name.partition(".damaged-")[0] for path in metrics.parent.glob("*.damaged-*")} == names


def test_a_whole_checkpoint_is_continued_from(killed: Any) -> None:
    cfg, whole = killed
    assert {**train(cfg), "wall_seconds": 0} == {**whole, "wall_seconds": 0}
    assert not list(run_directory(cfg).glob("*.damaged-*"))


@pytest.mark.parametrize(
    "content", [b"", b'{"reason": "x", "att', b"\xff\x00", b"[]", b"{}", b'{"reason": 1}']
)
def test_a_damaged_failure_is_none(small: Any, content: bytes) -> None:
    cfg = small()
    failure = run_directory(cfg) / "failure.json"
    failure.parent.mkdir(parents=True)
    failure.write_bytes(content)
    assert (read_failure(failure.parent), state(failure.parent)) == (None, State.WAITING)
    assert record_failure(failure.parent, "again").attempts == 1
    (aside,) = failure.parent.glob("failure.json.damaged-*")
    assert aside.read_bytes() == content
    failure.write_bytes(content)
    train(cfg)
    assert len(list(failure.parent.glob("failure.json.damaged-*"))) == 2


@pytest.mark.parametrize("content", [b"", b"model: {width", b"\xff\x00", b"- 1\n", b"just text\n"])
def test_a_config_that_says_nothing_leaves_the_others_in_the_table(sweep: Path, content: bytes) -> None:
    unfinished, *_ = run_directories(sweep)
    (unfinished / "summary.json").unlink()
    (unfinished / "config.yaml").write_bytes(content)
    assert collect(sweep)["status"].value_counts().sort("count")["count"].to_list() == [1, 2]
    assert len(report(sweep)) > 5


@pytest.mark.parametrize("how", DAMAGE)
def test_caches_are_made_again(sweep: Path, how: str) -> None:
    table, rows = collect(sweep), study(sweep, "mine", predict, "run", {})
    report(sweep)
    caches = [*(sweep / "report" / "cache").iterdir(), *(sweep / "studies" / "mine").glob("*.json")]
    assert len(caches) == 6
    for path in [*caches, sweep / "report" / "made_from.txt"]:
        spoil(path, how)
    assert collect(sweep).equals(table)
    assert study(sweep, "mine", predict, "run", {}).equals(rows)
    assert len(list((sweep / "studies" / "mine").glob("*.damaged-*"))) == 3
    assert len(report(sweep)) > 5


def test_the_commands_go_on(sweep: Path, tmp_path: Path) -> None:
    """One sweep with damage of each kind, and a run that is waiting."""
    first, second, _ = run_directories(sweep)
    spoil(first / "summary.json", "torn")
    spoil(second / "metrics.csv", "empty")
    status = command_line("status.py", str(sweep))
    assert status.returncode == 0, status.stderr
    assert "3 runs, 1 finished, 0 running, 0 failed, 2 waiting" in status.stdout
    small = ("data.n_train=60", "trainer.max_steps=40", "trainer.accelerator=cpu", "logger=local")
    again = command_line("train.py", "-m", *small, f"paths.logs={tmp_path}", "name=whole", "seed=0,1,2")
    assert again.returncode == 0, again.stderr
    assert "3 runs: 1 finished, 2 to train" in again.stderr
    for run_dir, name in ((first, "summary.json"), (second, "metrics.csv")):
        assert (
            len([line for line in again.stderr.splitlines() if f"{run_dir}: {name} is damaged (" in line])
            == 1
        )
    assert [read_summary(run)["steps"] for run in run_directories(sweep)] == [40] * 3  # type: ignore[index]
