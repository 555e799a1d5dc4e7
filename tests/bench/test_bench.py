"""The benchmark itself runs and says what it measured; how fast anything is, no test asks."""

from dataclasses import replace

from PIL import Image

from tests.bench import collecting, memory, pipeline, startup, step, sweep
from tests.bench.__main__ import END, PLOT, START, main
from tests.bench.pairs import paired, ratio


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
    ]
    printed = capsys.readouterr().out
    for row in rows:
        assert row in text
        assert row in printed
    assert Image.open(tmp_path / PLOT).width > 1000


def test_memory_of_a_pack_is_measured_against_its_estimate():
    row = memory.run(short=True).table[-1]
    assert 0.5 < float(row.split("|")[-2]) < 1.5


def test_ratios_are_medians_of_repeats_measured_in_turn():
    order, clocks = [], {"a": iter([2.0, 9.0, 4.0]), "b": iter([1.0, 3.0, 1.0])}

    def measure(way):
        order.append(way)
        return next(clocks[way])

    times = paired(["a", "b"], measure, 3)
    assert order == ["a", "b"] * 3
    assert ratio(times, "a", "b") == 3.0
