from pathlib import Path

from overparam.runs.summary import SUMMARY, read_summary


def test_a_summary_from_before_a_key_was_renamed_is_read(tmp_path: Path) -> None:
    assert read_summary(tmp_path) is None
    (tmp_path / SUMMARY).write_text('{"steps": 3, "alarms": ["worse than chance"]}')
    assert read_summary(tmp_path) == {"steps": 3, "warnings": ["worse than chance"]}
