from overparam.loggers.metrics_table import MetricsTable, read_metrics


def test_rows_after_the_checkpoint_are_dropped(tmp_path):
    table = MetricsTable(tmp_path, 0)
    for step in (0, 10, 15, 20):
        table.log_metrics({"loss": step / 10}, step)
    resumed = MetricsTable(tmp_path, 10)
    resumed.log_metrics({"loss": 7.0}, 20)
    assert read_metrics(tmp_path) == [
        {"step": 0, "loss": 0.0},
        {"step": 10, "loss": 1.0},
        {"step": 20, "loss": 7.0},
    ]
    assert MetricsTable(tmp_path, 0).rows == read_metrics(tmp_path) == []


def test_a_new_column_keeps_the_rows_before_it(tmp_path):
    table = MetricsTable(tmp_path, 0)
    table.log_metrics({"loss": 1.0}, 0)
    table.log_metrics({"loss": 0.5, "sharpness": 2.0}, 1)
    table.log_metrics({"norm": 3.0}, 1)
    assert read_metrics(tmp_path) == [
        {"step": 0, "loss": 1.0},
        {"step": 1, "loss": 0.5, "sharpness": 2.0, "norm": 3.0},
    ]


def test_floats_survive_exactly(tmp_path):
    value = 0.1 + 0.2
    MetricsTable(tmp_path, 0).log_metrics({"loss": value}, 3)
    assert read_metrics(tmp_path)[0]["loss"] == value


def test_a_row_of_an_earlier_step_is_put_in_its_place(tmp_path):
    table = MetricsTable(tmp_path, 0)
    for step, row in ((0, {"loss": 1.0}), (50, {"loss": 0.5}), (49, {"lr": 0.1}), (50, {"lr": 0.2})):
        table.log_metrics(row, step)
    assert read_metrics(tmp_path) == [
        {"step": 0, "loss": 1.0},
        {"step": 49, "lr": 0.1},
        {"step": 50, "loss": 0.5, "lr": 0.2},
    ]
