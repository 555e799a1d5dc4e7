"""Any Lightning logger, by `_target_`, several at once."""

import csv

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.forks.conftest import FEW, Lab


def test_tensorboard_and_csv_beside_wandb(lab: Lab) -> None:
    lab.write(
        {
            "configs/logger/board.yaml": """
                board:
                  _target_: lightning.pytorch.loggers.TensorBoardLogger
                  save_dir: ${paths.run}
                  name: board
                  version: ''
                """,
            "configs/logger/files.yaml": """
                files:
                  _target_: lightning.pytorch.loggers.CSVLogger
                  save_dir: ${paths.run}
                  name: files
                  version: ''
                """,
            "configs/callbacks/rates.yaml": """
                rates:
                  _target_: lightning.pytorch.callbacks.LearningRateMonitor
                  logging_interval: step
                """,
            "gap.py": """
                def gap(subject):
                    return {"logit_gap": subject.net(subject.inputs(subject.train)).std().item()}
                """,
            "configs/measures/gap.yaml": """
                gap:
                  _target_: gap.gap
                  _partial_: true
                """,
        }
    )
    seen = ("logger=[wandb,board,files]", "callbacks=[rates]", "measures=[gap]", "scheduler=cosine")
    runs, _ = lab.sweep(*FEW, *seen, "++trainer.log_every_n_steps=1", "data.held_out=100", "seed=0,1")
    assert len(runs) == 2
    for run in runs:
        board = EventAccumulator(str(run.directory / "board")).Reload()
        lines = list(csv.DictReader((run.directory / "files" / "metrics.csv").open()))
        for name in ("train_loss", "test_error", "val_error"):
            expected = [(row["step"], row[name]) for row in run.rows]
            on_board = [(event.step, event.value) for event in board.Scalars(name)]
            in_file = [(int(line["step"]), float(line[name])) for line in lines if line[name]]
            assert on_board == [(step, pytest.approx(value, rel=1e-5)) for step, value in expected]
            assert in_file == [(step, pytest.approx(value, rel=1e-5)) for step, value in expected]
            assert run.in_wandb(name)
        rates = [event.value for event in board.Scalars("lr-Adam")]
        assert len(rates) == 40
        assert rates[0] == pytest.approx(1e-2)
        assert rates == sorted(rates, reverse=True)
        assert rates[-1] < 1e-4
        assert run.in_wandb("lr-Adam")
        measured = run.summary["logit_gap"]
        assert [event.value for event in board.Scalars("logit_gap")] == [pytest.approx(measured, rel=1e-5)]
        assert run.in_wandb("logit_gap")
        assert not run.in_wandb("no_such_number")
    # How a run is logged is no part of what it is.
    each = "++trainer.log_every_n_steps=1"
    silent = lab.train(*FEW, *seen[1:], each, "data.held_out=100", "logger=local")
    (same,) = [run for run in runs if run.directory.name == silent.directory.name]
    assert same.same_bits(silent)


def test_a_knob_of_a_logger_wins_over_what_the_lab_offers_under_its_name(lab: Lab) -> None:
    lab.write(
        {
            "mine.py": """
                from lightning.pytorch.loggers import CSVLogger

                class Mine(CSVLogger):
                    def __init__(self, save_dir, sweep, identity):
                        super().__init__(save_dir, name=f"{sweep} {identity}", version="")
                """,
            "configs/logger/mine.yaml": """
                mine:
                  _target_: mine.Mine
                  save_dir: ${paths.run}
                  sweep: ours
                """,
        }
    )
    (run,), _ = lab.sweep(*FEW, "logger=[mine]", "seed=0")
    assert (run.directory / f"ours {run.directory.name}" / "metrics.csv").exists()
