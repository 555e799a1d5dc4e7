"""A study and a claim of one's own, about a training rule of one's own."""

import json

import polars as pl
import pytest

from tests.forks.conftest import FEW, Lab

FILES = {
    "shrinking.py": """
        from overparam.training.module import SupervisedModule


        class Shrink(SupervisedModule):
            def training_loss(self, x, y):
                return sum(w.square().sum() for w in self.net.parameters())


        def size(runs, power=1):
            (run,) = runs
            start, end = (sum(w.norm() ** 2 for w in net.parameters()).sqrt() for net in (run.new_net(), run.net))
            return [{"relative_size": (end / start).item() ** power}]


        def shortfall(table, value):
            return [1 - float(v) for v in table.sort("seed")[value]]
        """,
    "configs/module/shrink.yaml": "_target_: shrinking.Shrink\n",
    "configs/study/size.yaml": """
        _target_: shrinking.size
        group: run
        power: 1
        """,
    "configs/experiment/shrinking.yaml": """
        # @package _global_
        defaults:
          - override /module: shrink

        name: shrinking
        model:
          width: 4
        data:
          n_train: 60
        trainer:
          max_steps: 40
          accelerator: cpu
        """,
    "weights_shrink.yaml": """
        number: 1
        claim: Weights shrink when their size is the loss
        rule: before the runs
        source:
          _target_: overparam.claims.sources.studied
          experiment: shrinking
          study: size
        effects:
          shrunk:
            says: 1 minus the norm at the end over that at the start
            _target_: shrinking.shortfall
            value: relative_size
            above: 0.0
        figure: {x: seed, y: [relative_size], xlabel: seed, ylabel: norm over norm at the start}
        """,
}


def test_a_study(lab: Lab) -> None:
    lab.write(FILES)
    runs, _ = lab.sweep(*FEW, "model.width=4,8")
    command = ("--config-dir", "configs", "study=size", "runs=logs/sweep")
    said = lab.command("analyze.py", *command)
    table = pl.read_csv(lab.folder / "logs" / "sweep" / "studies" / "size.csv")
    assert set(table["identity"]) == {run.directory.name for run in runs}
    assert all(value > 1 for value in table["relative_size"])
    assert "relative size" in said
    lab.command("analyze.py", *command, "study.power=2")
    squared = pl.read_csv(lab.folder / "logs" / "sweep" / "studies" / "size.csv")
    assert squared["relative_size"].to_list() == pytest.approx([v**2 for v in table["relative_size"]])


def test_a_claim_trains_by_the_labs_own_rule(lab: Lab) -> None:
    lab.write(FILES)
    only = ("--config-dir", "configs", "--only", "weights_shrink.yaml", "--seeds", "0", "1", "2")
    assert "weights_shrink: holds" in lab.command("claims.py", *only)
    runs = lab.runs("shrinking")
    assert len(runs) == 3
    (entry,) = [
        json.loads(path.read_text()) for path in lab.folder.glob("logs/claims/**/weights_shrink.json")
    ]
    (effect,) = entry["effects"]
    assert len(effect["values"]) == 3
    assert min(effect["values"]) > 0.1
    assert sorted(entry["runs"]) == [run.directory.name for run in runs]
