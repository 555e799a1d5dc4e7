"""What a lab adds survives a kill: its runs, killed in the middle of a sweep, end as if nothing had happened."""

import os
import signal
from contextlib import suppress

import torch

from overparam.runs.provenance import resumed_at
from tests.forks.conftest import Lab, Run
from tests.forks.test_data import FOLDER, write_images
from tests.forks.test_training_rules import LIT, MIXUP
from tests.gate import HANGS, until

STEPS, KILLED = 40, 20

GATE = {
    "gate.py": """
        import os
        import time
        from pathlib import Path

        import lightning as L


        class Gate(L.Callback):
            def __init__(self, step):
                self.step = step

            def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
                if trainer.global_step == self.step and Path("closed").exists():
                    Path("reached", str(os.getpid())).touch()
                    while Path("closed").exists():  # or until it is killed
                        time.sleep(0.05)
        """,
    "configs/callbacks/gate.yaml": f"""
        gate:
          _target_: gate.Gate
          step: {KILLED}
        """,
}


SMALL_BATCHES = "data:\n  n_train: 60\n  batch_size: 16\n"
CASES = {  # the choices of an experiment, and its values
    "plain": ("module: lit", SMALL_BATCHES + "module:\n  dropout: 0.3\n"),
    "mixup": ("module: my_mixup", SMALL_BATCHES),
    "sharp": ("module: sam", SMALL_BATCHES),
    "warm": ("scheduler: warm", SMALL_BATCHES),
    "plateau": ("scheduler: halving", SMALL_BATCHES),
    "average": ("callbacks: [gate, average]", SMALL_BATCHES),
    "stop": ("callbacks: [gate, stop]", SMALL_BATCHES),
    "streaming": ("data: pictures", ""),
}


def experiment(choice: str, values: str) -> str:
    gate = "" if "gate" in choice else "  - override /callbacks: [gate]\n"
    return f"# @package _global_\ndefaults:\n{gate}  - override /{choice}\n\n{values}"


PARTS = {
    "configs/callbacks/average.yaml": """
        average:
          _target_: lightning.pytorch.callbacks.EMAWeightAveraging
          decay: 0.9
        """,
    # Stops at the twelfth evaluation after the first, five of them after the kill: it must not begin to count anew.
    "configs/callbacks/stop.yaml": """
        stop:
          _target_: lightning.pytorch.callbacks.EarlyStopping
          monitor: train_loss
          mode: max
          patience: 12
        """,
    "configs/scheduler/halving.yaml": """
        _target_: torch.optim.lr_scheduler.ReduceLROnPlateau
        _partial_: true
        monitor: train_loss
        mode: max
        factor: 0.7
        patience: 1
        """,
    "configs/scheduler/warm.yaml": """
        _target_: torch.optim.lr_scheduler.SequentialLR
        _partial_: true
        schedulers:
          - _target_: torch.optim.lr_scheduler.LinearLR
            _partial_: true
            start_factor: 0.1
            total_iters: 10
          - _target_: torch.optim.lr_scheduler.CosineAnnealingLR
            _partial_: true
            T_max: 30
        milestones: [10]
        """,
}


def test_a_sweep_of_everything_killed_at_once(lab: Lab) -> None:
    write_images(lab.folder / "images")
    lab.write({**LIT, **MIXUP, **FOLDER, **GATE, **PARTS})
    lab.write({f"configs/experiment/{name}.yaml": experiment(*case) for name, case in CASES.items()})
    names = list(CASES)
    rest = (f"trainer.max_steps={STEPS}", "trainer.accelerator=cpu", "logger=local")
    often = ("checkpoint_seconds=1e-9", "name=killed")
    all_at_once = ("hydra/launcher=local", f"hydra.launcher.cpu_slots={len(names)}")
    sweep = ("--config-dir", "configs", "-m", *rest, *often, f"experiment={','.join(names)}")

    (lab.folder / "closed").touch()
    reached = lab.folder / "reached"
    reached.mkdir()
    process = lab.start("train.py", *sweep, *all_at_once)
    try:
        until(lambda: len(list(reached.iterdir())) == len(names) or process.poll() is not None)
    finally:
        process.kill()
        for worker in reached.iterdir():
            with suppress(ProcessLookupError):
                os.kill(int(worker.name), signal.SIGKILL)
    output, _ = process.communicate(timeout=HANGS)
    assert len(list(reached.iterdir())) == len(names), output
    checkpoints = list(lab.folder.glob("logs/killed/*/last.ckpt"))
    assert [torch.load(c, weights_only=True)["global_step"] for c in checkpoints] == [KILLED - 1] * len(names)
    assert not list(lab.folder.glob("logs/killed/*/summary.json"))

    (lab.folder / "closed").unlink()
    lab.command("train.py", *sweep)  # one by one
    resumed = {run.directory.name: run for run in lab.runs("killed")}
    assert len(resumed) == len(names)
    for name in names:
        whole = lab.train(*rest, f"experiment={name}")
        run = resumed[whole.directory.name]
        assert [resumed_at(one.directory) for one in (run, whole)] == [[KILLED - 1], []], name
        if name == "stop":
            assert run.summary["steps"] == 32
        else:
            assert run.summary["steps"] == STEPS
        assert [row["step"] for row in run.rows] == [row["step"] for row in whole.rows]
        if name != "streaming":  # whose order is its DataLoader's own
            assert run.same_bits(whole), name
        else:
            assert run.summary["train_error"] < 0.5
            assert known(run) == known(whole)


def known(run: Run) -> list[dict[str, float]]:
    """The first rows, without what is no number."""
    return [{key: value for key, value in row.items() if value == value} for row in run.rows[:5]]
