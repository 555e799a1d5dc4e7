"""How far a run is: read as written, and never a reason for a run to fail."""

from pathlib import Path

from overparam.runs.running import RUNNING, HowFar, read_how_far, remove_how_far, write_how_far

HALF = HowFar(50, 100, 0.25, None)


def test_what_is_written_is_read_until_it_is_removed(tmp_path: Path) -> None:
    assert read_how_far(tmp_path) is None
    write_how_far(tmp_path, HALF)
    assert read_how_far(tmp_path) == HALF
    remove_how_far(tmp_path)
    assert read_how_far(tmp_path) is None


def test_a_folder_that_takes_no_file_fails_nothing(tmp_path: Path) -> None:
    for run_dir in (tmp_path / "gone", Path("/dev/null")):
        write_how_far(run_dir, HALF)
        assert read_how_far(run_dir) is None
        remove_how_far(run_dir)


def test_a_torn_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / RUNNING).write_text('{"step": 5')
    assert read_how_far(tmp_path) is None
