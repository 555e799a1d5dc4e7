"""Sweeps under load and faults: nothing is lost, nothing hangs, and the same command goes on."""

import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from overparam.analysis import report as reporting
from overparam.analysis.stamps import is_reported
from overparam.runs.identity import run_directory
from overparam.runs.state import AlreadyRunning, RunDied, State, read_failure, record_failure, state
from overparam.runs.summary import read_summary, whole
from overparam.sweeps.pool import run_all
from overparam.training.run import train
from tests.gate import Gate, until
from tests.sweeps.conftest import Sweep, results
from tests.sweeps.faulty import FAULTS, FullDisk

LOCAL = ("hydra/launcher=local", "hydra.launcher.cpu_slots=2")
HANGING = ("model._target_=tests.sweeps.faulty.HangingMLP", "+model.hangs=true,false")
GATED = "model._target_=tests.sweeps.faulty.GatedMLP"


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> FullDisk:
    return FullDisk(monkeypatch)


def hang(_: Any) -> None:
    """Called in a worker: long enough that nobody waits for it."""
    time.sleep(30)


def test_a_job_that_takes_too_long_is_killed() -> None:
    deaths: list[str] = []
    (result,) = run_all(
        hang, ["job"], [{}], lambda job, death: deaths.append(f"{job}: {death}"), limit=lambda _: 0.1
    )
    assert isinstance(result, RunDied)
    assert deaths == ["job: it took longer than 0.1 seconds, hydra.sweeper.max_run_seconds"]


def test_a_hanging_run_fails_and_the_others_go_on(sweep: Callable[..., Sweep], tmp_path: Path) -> None:
    hanging = sweep(
        "name=h", *HANGING, *LOCAL, "hydra.sweeper.max_run_seconds=60"
    )  # the other run takes less, whatever the load
    code, output = hanging.run()
    assert code == 2, output
    (run_dir,) = [path.parent for path in tmp_path.glob("h/*/failure.json")]
    failure = read_failure(run_dir)
    assert failure is not None
    assert failure.reason == "it took longer than 60 seconds, hydra.sweeper.max_run_seconds"
    assert len(results(tmp_path / "h")) == 1
    hanging.wait_for_all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("-m", "seed=0,1", "hydra.sweeper.max_run_seconds=5"),
            "needs a launcher that gives each run a process",
        ),
        (
            ("-m", "seed=0,1", *LOCAL, "hydra.sweeper.max_run_seconds=0"),
            "must be greater than 0, got 0",
        ),
        (("hydra.sweeper.max_run_seconds=5",), "is for the runs of a sweep: give -m"),
    ],
)
def test_a_limit_that_nobody_keeps_is_refused(
    tmp_path: Path, words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from hydra.core.global_hydra import GlobalHydra

    from overparam.commands.train import main

    handler = signal.getsignal(signal.SIGTERM)
    flags, overrides = (words[:1], words[1:]) if words[0] == "-m" else ((), words)
    monkeypatch.setattr(
        "sys.argv", ["train.py", *flags, f"paths.logs={tmp_path}", "logger=local", *overrides]
    )
    monkeypatch.setattr("logging.basicConfig", lambda **_: None)
    GlobalHydra.instance().clear()
    try:
        try:
            code = main()
        except SystemExit as end:
            code = int(end.code or 0)
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert code == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_stopped_sweep_goes_on(sweep: Callable[..., Sweep], tmp_path: Path) -> None:
    (tmp_path / "closed").touch()
    stopped = sweep("name=s", GATED, "seed=0,1", *LOCAL, **{FAULTS: str(tmp_path)}).start()
    until(lambda: (tmp_path / "reached").exists() or stopped.process.poll() is not None)
    os.killpg(stopped.process.pid, signal.SIGSTOP)
    stat = Path(f"/proc/{stopped.process.pid}/stat")
    until(lambda: stat.read_text().rpartition(") ")[2].startswith("T"))  # it is stopped
    (tmp_path / "closed").unlink()
    os.killpg(stopped.process.pid, signal.SIGCONT)
    code, output = stopped.finish()
    assert code == 0, output
    assert len(results(tmp_path / "s")) == 2


def test_killed_before_its_first_step_a_sweep_starts_again(
    sweep: Callable[..., Sweep], tmp_path: Path
) -> None:
    (tmp_path / "closed").touch()
    killed = sweep("name=k", GATED, "seed=0,1", "pack=off", **{FAULTS: str(tmp_path)})
    killed.start()
    until(lambda: (tmp_path / "reached").exists() or killed.process.poll() is not None)
    killed.process.kill()
    assert killed.finish()[0] == -signal.SIGKILL
    (tmp_path / "closed").unlink()
    code, output = killed.run()
    assert code == 0, output
    assert len(results(tmp_path / "k")) == 2


def test_four_equal_sweeps_at_once_share_the_work(sweep: Callable[..., Sweep], tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    gate.open()  # it only says which runs are begun
    shared = ("name=shared", "seed=range(6)", "pack=off", *gate.overrides(step=0))
    four = [sweep(*shared).start() for _ in range(4)]
    ends = [one.finish() for one in four]
    assert [code for code, _ in ends] == [0] * 4, ends
    begun = gate.begun.read_text().splitlines()
    assert len(begun) == len(set(begun)) == 6
    assert len(results(tmp_path / "shared")) == 6


@pytest.mark.parametrize("name", ["config.yaml", "metrics.csv", "provenance.json", "summary.json"])
def test_a_run_on_a_full_disk_fails_and_goes_on_when_there_is_room(
    small: Any, full: FullDisk, name: str
) -> None:
    cfg = small()
    full.fill(name)
    with pytest.raises(OSError, match="No space left"):
        train(cfg)
    full.free()
    run_dir = run_directory(cfg)
    assert state(run_dir) == State.FAILED
    assert not [path for path in run_dir.iterdir() if path.name.startswith(f".{os.getpid()}")]
    assert train(cfg)["steps"] == 40
    assert state(run_dir) == State.FINISHED


def test_a_failure_that_cannot_be_written_hides_nothing(
    small: Any, full: FullDisk, caplog: pytest.LogCaptureFixture
) -> None:
    full.fill("")
    cfg = small()
    with pytest.raises(OSError, match="No space left"):
        train(cfg)
    failure = record_failure(run_directory(cfg), "a bug")
    full.free()
    assert (failure.reason, failure.attempts) == ("a bug", 1)
    assert "failed (a bug), and that cannot be written: OSError" in caplog.records[-1].getMessage()
    assert train(cfg)["steps"] == 40


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("before")

    def write_half() -> None:
        with whole(path) as file:
            file.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("file.txt", "before")]
    with whole(path) as file:
        file.write_text("after")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("file.txt", "after")]


@pytest.mark.parametrize("how", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_a_report_that_is_cut_short_leaves_whole_files_and_is_made_again(
    small: Any, monkeypatch: pytest.MonkeyPatch, how: BaseException
) -> None:
    for seed in range(2):
        train(small(f"seed={seed}"))
    folder = run_directory(small()).parent
    reporting.report(folder)
    assert is_reported(folder)
    before = {path: path.read_bytes() for path in (folder / "report").glob("*.*")}

    def write_half(path: Path, *_: Any) -> None:
        with whole(path) as file:
            file.write_text("half")
            raise how

    with monkeypatch.context() as patch:
        patch.setattr(reporting, "write_page", write_half)
        with pytest.raises(type(how)):
            reporting.report(folder)
    assert not is_reported(folder)
    after = {path: path.read_bytes() for path in (folder / "report").glob("*.*")}
    assert after[folder / "report" / "index.html"] == before[folder / "report" / "index.html"]
    assert {path.name for path in before} - {path.name for path in after} == {"made_from.txt"}
    reporting.report(folder)
    assert is_reported(folder)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("cannot mount a file system here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_sweep_on_a_full_disk_ends_in_a_line_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    filler = small_disk / "filler"

    def fill() -> None:
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    full = Sweep(small_disk, "name=full", "seed=0,1")
    fill()
    try:
        code, output = full.run()
        assert code == 2
        assert "Traceback" not in output
        assert "No space left on device" in output
        filler.unlink()
        code, output = full.run()
        assert code == 0, output
        assert len(results(small_disk / "full")) == 2
        fill()
        report = small_disk / "full" / "report" / "made_from.txt"
        before = report.parent.joinpath("index.html").read_bytes()
        report.write_bytes(b"")  # the report is out of date
        code, output = full.run()
        assert code == 2
        assert "Traceback" not in output
        assert output.splitlines()[-1].startswith("error: all runs are finished, but the report of")
        assert report.parent.joinpath("index.html").read_bytes() == before
        filler.unlink()
        assert full.run()[0] == 0
        assert is_reported(small_disk / "full")
    finally:
        full.end()


def test_logs_that_can_only_be_read_are_read(small_disk: Path) -> None:
    from overparam.analysis.collect import collect, collect_steps
    from overparam.training.finished import load_run
    from tests.command_line import command_line
    from tests.conftest import compose_config

    small = ("data.n_train=60", "trainer.max_steps=40", "trainer.accelerator=cpu", "logger=local")
    cfg = compose_config(*small, f"paths.logs={small_disk}", "name=done")
    train(cfg)
    run_dir = run_directory(cfg)
    (run_dir.parent / "waiting").mkdir()
    (run_dir.parent / "waiting" / ".lock").touch()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert read_summary(run_dir) == train(cfg)
    assert load_run(run_dir).summary == read_summary(run_dir)
    assert len(collect(run_dir.parent)) == 1
    assert len(collect_steps(run_dir.parent)) > 5
    status = command_line("status.py", str(run_dir.parent))
    assert (status.returncode, status.stderr) == (0, "")
    assert "1 finished, 0 running, 0 failed, 1 waiting" in status.stdout
    with pytest.raises((OSError, AlreadyRunning)):
        train(compose_config(*small, f"paths.logs={small_disk}", "name=done", "seed=1"))
