import json
import os
import time
from pathlib import Path

from overparam.runs.state import lock, record_failure
from tests.command_line import command_line


def test_status_reads_a_sweep_from_its_directories(tmp_path: Path) -> None:
    for name in ("waiting", "finished", "failed", "running"):
        (tmp_path / name).mkdir()
    said = {"steps": 1, "train_error": 0, "test_error": 0, "config": {}}
    (tmp_path / "finished" / "summary.json").write_text(json.dumps(said))
    record_failure(tmp_path / "failed", "ValueError: a bug")
    (tmp_path / "running" / "metrics.csv").write_text("step,train_error,test_error\n0,0.9,0.8\n10,0.25,0.5\n")
    with lock(tmp_path / "running"):
        status = command_line("status.py", str(tmp_path))
    assert status.returncode == 1
    first, *rest = status.stdout.splitlines()
    assert first == f"{tmp_path}: 4 runs, 1 finished, 1 running, 1 failed, 1 waiting"
    (row,) = [line.split("│")[1:-1] for line in rest if line.startswith("│")]
    assert [cell.strip() for cell in row][:4] == ["running", "10", "0.25", "0.5"]
    assert "ValueError: a bug" in status.stderr


def test_what_another_program_or_clock_wrote_is_told_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9\n")
    for name, table in (("future", "step,test_error\n10,0.5\n"), ("folder", None)):
        (folder / name).mkdir(parents=True)
        if table is None:
            (folder / name / "metrics.csv").mkdir()
        else:
            (folder / name / "metrics.csv").write_text(table)
            os.utime(folder / name / "metrics.csv", (time.time() + 10**6, time.time() + 10**6))
    with lock(folder / "future"), lock(folder / "folder"):
        status = command_line("status.py", str(folder))
    assert status.returncode == 0, status.stderr
    assert status.stdout.startswith(f"{tmp_path}/caf\\udce9\\n: 2 runs, 0 finished, 2 running")
    assert "0:00:00 ago" in status.stdout


def test_status_of_nothing_is_one_line(tmp_path: Path) -> None:
    status = command_line("status.py", str(tmp_path / "absent"))
    assert status.returncode == 2
    assert status.stderr == f"error: there is no folder {tmp_path / 'absent'}\n"
