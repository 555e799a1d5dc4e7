"""Packs through the command line: which runs are one is decided once, and what is left of a pack is that pack."""

from dataclasses import replace

import pytest
import torch

from overparam.packs.record import PACKS, read_packs, write_packs
from overparam.runs.identity import hash_of
from overparam.runs.metrics import read_metrics
from overparam.runs.provenance import resumed_at
from overparam.runs.state import read_failure
from tests.command_line import ENVIRONMENT, Command, command_line
from tests.conftest import read_json
from tests.gate import Gate

SWEEP = ["-m", "name=packed", "logger=local", "data.n_train=100", "data.batch_size=20", "loss=mse"]
SWEEP += ["model.width=3,4", "seed=0,1", "optimizer=sgd", "checkpoint_seconds=1e-9", "trainer.max_steps=300"]
DIVERGING = "optimizer.lr=0.05,1e30"


def killed(tmp_path, *overrides, step, finished=0):
    """Start the sweep, and kill it where a gate stops it."""
    gate = Gate(tmp_path)
    command = ["train.py", *SWEEP, f"paths.logs={tmp_path}", *overrides]
    process = Command(*command, *gate.overrides(step, finished), env=ENVIRONMENT)
    gate.wait(process)
    process.kill()
    process.wait()
    gate.close()


def trained(logs, *overrides, code=0):
    """Train the sweep, or what is left of it; return what it printed."""
    done = command_line("train.py", *SWEEP, f"paths.logs={logs}", *overrides)
    assert done.returncode == code, done.stderr
    return done.stderr


def left(logs, sweep="packed"):
    """Metrics and weights of every run."""
    found = {}
    for run_dir in (path.parent for path in logs.glob(f"{sweep}/*/metrics.csv")):
        weights = torch.load(run_dir / "weights.pt") if (run_dir / "weights.pt").exists() else {}
        values = {name: value.tolist() for name, value in weights.items()}
        found[run_dir.name] = ((run_dir / "metrics.csv").read_text(), values)
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    logs = tmp_path_factory.mktemp("undisturbed")
    said = trained(logs, DIVERGING, code=2)
    assert "8 runs are trained together, packs: 1" in said
    return left(logs)


def test_a_killed_packed_sweep_equals_the_undisturbed_and_a_diverging_member_fails_alone(
    tmp_path, undisturbed
):
    killed(tmp_path, DIVERGING, step=100)
    assert not list(tmp_path.glob("*/*/summary.json"))
    diverged = [path.parent for path in tmp_path.glob("packed/*/failure.json")]
    assert len(diverged) == 4  # is known at once
    said = trained(tmp_path, DIVERGING, code=2)
    assert "8 runs are trained together, packs: 1" in said
    assert "4 of 8 runs failed" in said
    finished = [path.parent for path in tmp_path.glob("packed/*/summary.json")]
    assert len(finished) == 4
    for run_dir in finished:
        steps = [row["step"] for row in read_metrics(run_dir)]
        assert steps[-1] == read_json(run_dir / "summary.json")["steps"] == 300
        assert not (run_dir / "last.ckpt").exists()
        assert resumed_at(run_dir) == [79]
    assert all(read_failure(run_dir).reason.startswith("Diverged") for run_dir in diverged)
    (pack,) = read_packs(tmp_path / "packed")
    assert {read_json(run_dir / "summary.json")["pack"] for run_dir in finished} == {pack.name}
    now = left(tmp_path)
    assert {name: now[name] for name in pack.runs if now[name][1]} == {
        name: result for name, result in undisturbed.items() if result[1]
    }


def test_killed_while_it_writes_its_results_a_pack_is_the_same_too(tmp_path, undisturbed):
    killed(tmp_path, DIVERGING, step=None, finished=2)
    before = {path.parent.name: path.stat().st_mtime_ns for path in tmp_path.glob("packed/*/summary.json")}
    assert len(before) == 2
    trained(tmp_path, DIVERGING, code=2)
    finished = {path.parent.name: path.stat().st_mtime_ns for path in tmp_path.glob("packed/*/summary.json")}
    assert len(finished) == 4
    assert before.items() <= finished.items()  # written once
    now = left(tmp_path)
    assert {name: now[name] for name in finished} == {name: undisturbed[name] for name in finished}


def test_a_pack_of_before_identities_read_otherwise_is_that_pack(tmp_path, undisturbed):
    killed(tmp_path, DIVERGING, step=100)
    folder = tmp_path / "packed"
    (pack,) = read_packs(folder)
    before = {name: name.replace("-mse-sgd-", "-") for name in pack.runs}
    assert all(name != old for name, old in before.items())
    write_packs(folder, [replace(pack, runs=tuple(before.values()))], {})
    new, *others = pack.runs  # the folder of one was lost, and has the name of now
    for name in others:
        (folder / name).rename(folder / before[name])
    said = trained(tmp_path, DIVERGING, code=2)
    assert "8 runs are trained together, packs: 1" in said
    finished = [path.parent for path in tmp_path.glob("packed/*/summary.json")]
    assert all(resumed_at(run_dir) == [79] for run_dir in finished)
    now = left(tmp_path)
    assert sorted(now) == sorted([new, *(before[name] for name in others)])
    assert {hash_of(run_dir.name): now[run_dir.name] for run_dir in finished} == {
        hash_of(name): result for name, result in undisturbed.items() if result[1]
    }


def test_a_larger_grid_adds_packs_and_touches_none(tmp_path):
    killed(tmp_path, step=100)
    (first,) = read_packs(tmp_path / "packed")
    trained(tmp_path, "seed=0,1,2,3")
    now = read_packs(tmp_path / "packed")
    assert now[0] == first
    assert [len(pack.runs) for pack in now] == [4, 4]
    alone = left(tmp_path)
    trained(tmp_path, "name=whole")
    whole = left(tmp_path, "whole")
    assert {name: alone[name] for name in first.runs} == whole


def test_a_pack_keeps_its_threads(tmp_path):
    killed(tmp_path, step=100)
    said = trained(tmp_path, "cpu_threads=2", "seed=0,1,2")
    assert "a pack goes on with cpu_threads=1, as it began" in said
    assert [pack.cpu_threads for pack in read_packs(tmp_path / "packed")] == [1, 2]


def test_a_part_of_the_grid_and_one_run_alone_continue_too(tmp_path):
    killed(tmp_path, step=100)
    trained(tmp_path, "seed=0")
    done = [path.parent for path in tmp_path.glob("packed/*/summary.json")]
    assert [resumed_at(run_dir) for run_dir in done] == [[79], [79]]
    trained(tmp_path, "pack=off")
    assert all(resumed_at(path.parent) == [79] for path in tmp_path.glob("packed/*/summary.json"))


def test_what_has_begun_alone_goes_on_alone(tmp_path):
    killed(tmp_path, "pack=off", step=100)
    (begun,) = [path.parent.name for path in tmp_path.glob("packed/*/last.ckpt")]
    said = trained(tmp_path)
    assert "1 run is trained alone: they have begun so" in said
    assert "2 runs are trained together, packs: 1" in said
    assert (begun,) in [pack.runs for pack in read_packs(tmp_path / "packed")]
    assert resumed_at(tmp_path / "packed" / begun) == [79]


def test_a_record_that_cannot_be_read_is_set_aside(tmp_path):
    trained(tmp_path, "model.width=3")
    (tmp_path / "packed" / PACKS).write_text("{")
    said = trained(tmp_path, "model.width=4")
    assert f"{PACKS} is damaged" in said
    assert list(tmp_path.glob(f"packed/{PACKS}.damaged-*"))
