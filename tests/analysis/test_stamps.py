import os

import pytest
from fabricated import fabricate, rewrite_summary

from overparam.analysis import stamps
from overparam.analysis.report import report
from overparam.analysis.stamps import find_sweeps, is_reported, stamp
from overparam.runs.state import record_failure


@pytest.mark.parametrize(
    "change",
    [
        lambda sweep: fabricate(sweep, width=128),
        lambda sweep: rewrite_summary(next(sweep.glob("mlp-w4-*")), test_error=0.5),
        lambda sweep: record_failure(sweep / "mlp-new", "out of memory"),
        lambda sweep: next(sweep.glob("mlp-w4-*")).rename(sweep.parent / "elsewhere"),
        lambda sweep: (sweep / "report" / stamps.MADE_FROM).unlink(),
    ],
    ids=["a new run", "a run done again", "a failure", "a run gone", "no report"],
)
def test_a_report_is_out_of_date_after(sweep, change):
    assert not is_reported(sweep)
    report(sweep)
    assert is_reported(sweep)
    change(sweep)
    assert not is_reported(sweep)


def test_a_report_is_out_of_date_after_the_code_changed(sweep, tmp_path, monkeypatch):
    code = tmp_path / "code.py"
    code.touch()
    monkeypatch.setattr(stamps, "CODE", tmp_path)
    before = stamps.fingerprint({})
    os.utime(code, (2e9, 2e9))
    assert stamps.fingerprint({}) != before


def test_what_is_no_run_has_no_stamp(sweep):
    (sweep / "report").mkdir()
    (sweep / "waiting").mkdir()
    (sweep / "waiting" / ".lock").touch()
    assert stamp(str(sweep / "report")) == stamp(str(sweep / "waiting")) == ""
    assert len(find_sweeps([sweep])[sweep]) == 6
