from overparam.runs.metrics import read_metrics


def test_a_line_a_killed_run_did_not_finish_is_no_row(tmp_path):
    (tmp_path / "metrics.csv").write_text("step,test_error\r\n0,0.9\r\n1,0.80\r\n2,0.7")
    assert read_metrics(tmp_path) == [{"step": 0, "test_error": 0.9}, {"step": 1, "test_error": 0.8}]


def test_a_missing_cell_is_absent_and_no_file_is_no_rows(tmp_path):
    assert read_metrics(tmp_path) == []
    (tmp_path / "metrics.csv").write_text("step,test_error,rank\n0,0.9,\n1,0.5,3\n")
    assert read_metrics(tmp_path) == [
        {"step": 0, "test_error": 0.9},
        {"step": 1, "test_error": 0.5, "rank": 3.0},
    ]
