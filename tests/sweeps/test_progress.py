import io
from pathlib import Path

import pytest
from rich.console import Console

from overparam.runs.state import read_failure, record_failure
from overparam.runs.summary import SUMMARY
from overparam.sweeps.progress import Progress, print_failures


def test_a_large_sweep_is_one_line_of_a_terminal_of_80_columns(tmp_path: Path) -> None:
    runs = [tmp_path / f"mlp-w{number}-d1-n1200-p0.2-s0-0123456789-{'x' * 40}" for number in range(1200)]
    progress = Progress([], runs, "test_error")
    for run_dir in runs[:1000]:
        run_dir.mkdir()
        (run_dir / SUMMARY).write_text('{"steps": 1, "train_error": 0, "test_error": 0.125, "config": {}}')
    record_failure(runs[1000], "ValueError: a bug")
    progress.started -= 36_000
    progress.update()
    screen = io.StringIO()
    Console(file=screen, width=80).print(progress._bar())
    (line,) = screen.getvalue().splitlines()
    assert len(line) == 80
    assert "1000/1200 done, 0 running, 1 failed, 1:59:" in line
    assert "left, best 0.125 (mlp-w" in line
    assert f"best test_error 0.125 ({runs[0].name})" in progress.line()


def test_failures_are_told_once_a_reason_and_when_they_have_doubled(tmp_path: Path) -> None:
    runs = [tmp_path / f"mlp-w{number}" for number in range(9)]
    progress = Progress([], runs, "test_error")

    def told(*reasons: str) -> list[str]:
        for reason in reasons:
            record_failure(runs[len(progress.failed)], reason)
            progress.update()
        return progress.new_failures()

    nan = "Diverged: training loss is nan at step {}"
    assert told(nan.format(7)) == ["failed: mlp-w0: Diverged: training loss is nan at step 7"]
    assert told() == []
    assert told(nan.format(12)) == ["failed: mlp-w1 and 1 more: Diverged: training loss is nan at step 12"]
    assert told(nan.format(1), "ValueError: \x1b[31mred") == [r"failed: mlp-w3: ValueError: \x1b[31mred"]
    assert told(nan.format(3), nan.format(3)) == [
        "failed: mlp-w5 and 4 more: Diverged: training loss is nan at step 3"
    ]


def test_a_sweep_ends_with_a_line_a_reason_and_the_first_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(5):
        record_failure(tmp_path / f"w{number}", f"Diverged: training loss is nan at step {number}")
    record_failure(tmp_path / "w1", "Diverged: training loss is nan at step 1")
    record_failure(tmp_path / "a", "ValueError: a bug")
    failures = {
        path.parent: failure for path in tmp_path.glob("*/*.json") if (failure := read_failure(path.parent))
    }
    print_failures(failures)
    assert capsys.readouterr().err.splitlines() == [
        "5 failed: Diverged: training loss is nan at step 0",
        "    w0",
        "    w1 (2 attempts)",
        "    w2",
        "    and 2 more",
        "1 failed: ValueError: a bug",
        "    a",
    ]
