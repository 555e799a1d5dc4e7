"""scripts/plan.py: the runs that train.py would make, nothing written, nothing loaded."""

import json
import runpy
import sys

import pytest

from overparam.runs.identity import identity
from overparam.sweeps.plan import Row, plan, short, threshold_verdict
from overparam.training.run import train
from tests.conftest import ROOT, compose_config


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """Run scripts/plan.py in this process, from an empty directory; return exit code, output and rows."""

    def run(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["plan.py", *arguments, "plan.json=rows.json"])
        monkeypatch.setenv("COLUMNS", "60")
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(ROOT / "scripts" / "plan.py"), run_name="__main__")
        file = tmp_path / "rows.json"
        rows = json.loads(file.read_text()) if file.exists() else None
        assert [path.name for path in tmp_path.iterdir()] in ([], ["rows.json"])
        output = capsys.readouterr()
        return end.value.code, output.out + output.err, rows

    return run


def test_one_run(command):
    code, output, (row,) = command("model.width=50", "data.n_train=100")
    assert code == 0
    params = 65 * 50 + 51 * 10
    assert (row["params"], row["n_train"], row["num_outputs"]) == (params, 100, 10)
    assert row["flops_per_step"] == 2 * 100 * (2 * 64 * 50 + 3 * 50 * 10)
    assert row["memory_bytes"] > 4 * 4 * params
    assert row["identity"] == identity(compose_config("model.width=50", "data.n_train=100"))
    assert row["overrides"] == ["model.width=50", "data.n_train=100"]
    assert row["identity"] in output


def test_a_sweep_of_an_experiment(command):
    code, output, rows = command("-m", "experiment=model_wise", "model.width=3,24,512", "seed=0,1")
    assert code == 0
    assert len(rows) == len({row["identity"] for row in rows}) == 6
    assert all(row["identity"] in output for row in rows)
    assert "the grid straddles it" in output
    for row in rows[::2]:
        assert identity(compose_config(*row["overrides"])) == row["identity"]


def test_widths_asked_for_by_size(command):
    _, _, rows = command("-m", "model.target_params=1000,5000", "model.depth=1,2")
    assert [row["params"] for row in rows] == pytest.approx([1000, 1000, 5000, 5000], rel=0.05)


def test_a_bad_run_is_said_in_one_line(command):
    code, output, rows = command("-m", "model.width=4,0")
    assert (code, rows) == (2, None)
    assert output == "error: model.width must be greater than 0, got 0\n"


def test_the_plan_is_what_training_finds(small):
    cfg = small("model.width=7")
    (row,) = plan([(cfg, [])])
    summary = train(cfg)
    same = (
        "identity",
        "params",
        "n_train",
        "num_outputs",
        "params_per_sample",
        "params_per_constraint",
        "steps",
    )
    assert {key: getattr(row, key) for key in same} == {key: summary[key] for key in same}


def test_equal_networks_are_measured_once(monkeypatch):
    calls = []
    from overparam.measures.step_cost import StepCost

    monkeypatch.setattr("overparam.sweeps.plan.step_cost", lambda *args: calls.append(args) or StepCost(1, 1))
    runs = [
        [f"model.width={width}", f"seed={seed}", f"optimizer.lr={lr}", f"data.label_noise={noise}"]
        for width in (3, 4)
        for seed in (0, 1)
        for lr in (0.1, 0.2)
        for noise in (0, 0.1)
    ]
    assert len(plan((compose_config(*run), run) for run in runs)) == 16
    assert len(calls) == 2


def row(params, n, outputs):
    counts = {"params": params, "n_train": n, "num_outputs": outputs}
    ratios = {"params_per_sample": params / n, "params_per_constraint": params / (n * outputs)}
    return Row("x", **counts, **ratios, flops_per_step=0, memory_bytes=0, steps=1, overrides=[])


@pytest.mark.parametrize(
    ("params", "verdict"),
    [
        ((50, 2000), "the grid straddles it"),
        ((50, 500), "the grid may have no run above it"),
        ((50, 90), "all runs are below it"),
        ((200, 2000), "the grid may have no run below it"),
        ((1100, 2000), "all runs are above it"),
        ((200, 500), "the grid lies between"),
    ],
)
def test_the_verdict_for_100_samples_and_10_outputs(params, verdict):
    assert threshold_verdict([row(p, 100, 10) for p in params]).startswith(verdict)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (999, "999"), (999.6, "1k"), (12_345, "12.3k"), (4e12, "4T")]
)
def test_short_numbers(value, text):
    assert short(value) == text


def test_of_many_runs_the_first_are_printed_and_all_are_summed_up(command):
    _, output, rows = command("-m", "model.width=range(2,8)", "seed=range(8)")
    assert len(rows) == 48
    assert sum(row["identity"] in output for row in rows) == 40
    assert "and 8 more runs; plan.json=FILE writes all" in output
    assert "48 runs, " in output
