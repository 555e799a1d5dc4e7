import io
from pathlib import Path

from rich.console import Console

from overparam.runs.state import record_failure
from overparam.runs.summary import SUMMARY
from overparam.sweeps.progress import Progress


def test_a_large_sweep_fits_a_terminal_of_80_columns(tmp_path: Path) -> None:
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
    counts, lowest = screen.getvalue().splitlines()
    assert "1000/1200 done, 0 running, 1 failed, 1:59:" in counts
    assert counts.rstrip().endswith("left")
    assert lowest.startswith("lowest test_error 0.125 (mlp-w0-d1-n1200-p0.2-s0-0123456789")
    assert len(lowest) <= 80
