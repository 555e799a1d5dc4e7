from pathlib import Path

import pytest

from overparam.runs.summary import SUMMARY, read_summary, write_json


def test_a_summary_from_before_a_key_was_renamed_is_read(tmp_path: Path) -> None:
    assert read_summary(tmp_path) is None
    (tmp_path / SUMMARY).write_text('{"steps": 3, "alarms": ["worse than chance"]}')
    assert read_summary(tmp_path) == {"steps": 3, "warnings": ["worse than chance"]}


def test_a_file_that_is_not_written_to_its_end_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "summary.json"
    write_json(path, {"a": 1})

    def torn(file: Path, text: str, encoding: str) -> None:
        with file.open("w") as half:
            half.write(text[:3])
        raise OSError("no space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", torn)
    with pytest.raises(OSError, match="no space"):
        write_json(path, {"a": 2})
    assert path.read_text() == '{\n "a": 1\n}\n'
