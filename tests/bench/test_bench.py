"""The benchmark itself runs and says what it measured; how fast anything is, no test asks."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from PIL import Image

from overparam.training.build import assemble
from overparam.training.module import SupervisedModule
from tests.bench import bare, collecting, gpu, memory, pipeline, shell, startup, step, sweep
from tests.bench.__main__ import END, FIGURES, START, main
from tests.bench.pairs import paired, ratio
from tests.conftest import compose_config


def test_every_part_fills_its_table_and_its_curve(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sweep, "WORKLOADS", [replace(sweep.WORKLOADS[0], widths=(3, 6), steps=500)])
    monkeypatch.setitem(sweep.WAYS, "mine", sweep.by_hand)
    monkeypatch.setattr(step, "CASES", {"MLP width 8": (("model.width=8",), 50)})
    monkeypatch.setattr(pipeline, "COUNTS", [250])
    monkeypatch.setattr(startup, "COMMANDS", {"train.py --help": ["--help"]})
    monkeypatch.setattr(collecting, "COUNTS", [20])
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{START}\nformer table\n{END}\nafter\n")
    main(["--short", "--only", "sweep,shares,step,pipeline,startup,collecting", "--write", str(readme)])
    text = readme.read_text()
    assert text.startswith(f"before\n{START}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "former table" not in text
    rows = [
        "| widths 3..6 x 2 seeds, 50 steps | packed | unpacked | by hand | plain Lightning | mine |",
        "| digits, batch 128 | ",
        "| MLP width 8 | 610 | ",
        "| 250 | ",
        "| train.py --help | ",
        "| 20 | ",
        "| runs in one job, a pack | ",
        "| 10 | ",
    ]
    printed = capsys.readouterr().out
    for row in rows:
        assert row in text
        assert row in printed
    assert Image.open(tmp_path / FIGURES / "bench.png").width > 1000
    assert Image.open(tmp_path / FIGURES / "growth.png").width > 400
    assert "(.github/figures/growth.png)" in text


def test_the_commands_from_the_shell_and_the_loop_by_hand(monkeypatch, tmp_path):
    for grid in shell.GRIDS:
        overrides = grid.command(str(tmp_path))[3:]
        one = [text for text in overrides if "," not in text and "range" not in text]
        data = assemble(compose_config(*one)).data
        assert (data.n_train, data.batch_size) == (grid.n_train, grid.batch_size or grid.n_train)
    (row,) = bare.train(bare.digits(50), width=64, seed=0, steps=200, batch_size=20, evaluated={200})
    assert row[0] < 0.05
    monkeypatch.setattr(shell, "seconds", lambda way, grid: {"by hand": 8.0}.get(way, 2.0))
    assert "| 2 s | 2 s | 4.0x | 1.0x |" in shell.run(short=True).table[-1]


def test_memory_of_a_pack_is_measured_against_its_estimate():
    row = memory.run(short=True).table[-1]
    assert 0.5 < float(row.split("|")[-2]) < 1.5


def test_the_gpus_part_runs_where_there_is_none(monkeypatch):
    monkeypatch.setattr(gpu, "WORKLOADS", [replace(gpu.WORKLOADS[2], widths=(2,))])
    monkeypatch.setattr(gpu, "ProcessPoolExecutor", lambda count, context: ThreadPoolExecutor(count))
    head, _, row = gpu.run(short=True).table
    assert [cell.strip() for cell in head.split("|")[2:-1]] == list(gpu.WAYS)
    assert row.count("x |") == 3
    monkeypatch.setattr(gpu, "graphed", step.raw)
    monkeypatch.setattr(gpu, "CASES", {"MLP width 2": (("model.width=2",), 2)})
    assert gpu.graphs(short=True)[-1].startswith("| MLP width 2 | ")


def test_ratios_are_medians_of_repeats_measured_in_turn():
    order, clocks = [], {"a": iter([2.0, 9.0, 4.0]), "b": iter([1.0, 3.0, 1.0])}

    def measure(way):
        order.append(way)
        return next(clocks[way])

    times = paired(["a", "b"], measure, 3)
    assert order == ["a", "b"] * 3
    assert ratio(times, "a", "b") == 3.0


def test_a_step_of_the_lab_is_timed_as_a_run_takes_it(monkeypatch):
    calls, take = [], SupervisedModule._fused_steps
    monkeypatch.setattr(SupervisedModule, "_fused_steps", lambda *given: [calls.append(1), take(*given)][1])
    cfg = compose_config("logger=local", "trainer.accelerator=cpu", "model.width=2", "trainer.max_steps=3")
    assert step.lab(cfg, 3) > 0
    assert len(calls) < 3
    assert calls
