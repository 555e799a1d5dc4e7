"""Any Lightning callback, by `_target_`."""

import json

import pytest
import torch

from overparam.training.finished import load_run
from tests.forks.conftest import Lab

CALLBACKS = {
    "counting.py": """
        import json
        from pathlib import Path

        import lightning as L


        class Count(L.Callback):
            def __init__(self, folder):
                self.path, self.steps = Path(folder) / "steps.json", []

            def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
                self.steps.append((trainer.global_step, len(batch[0])))

            def on_train_end(self, trainer, pl_module):
                self.path.write_text(json.dumps(self.steps))
        """,
    "configs/callbacks/count.yaml": """
        count:
          _target_: counting.Count
          folder: ${paths.run}
        """,
    "configs/callbacks/stop.yaml": """
        stop:
          _target_: lightning.pytorch.callbacks.EarlyStopping
          monitor: val_error
          stopping_threshold: 0.5
          patience: 1000
        """,
    "configs/callbacks/best.yaml": """
        best:
          _target_: lightning.pytorch.callbacks.ModelCheckpoint
          dirpath: ${paths.run}
          filename: best
          monitor: val_error
        """,
    "configs/callbacks/average.yaml": """
        average:
          _target_: lightning.pytorch.callbacks.EMAWeightAveraging
          decay: 0.5
        """,
}


def test_early_stopping_the_best_checkpoint_and_a_callback_of_ones_own(lab: Lab) -> None:
    lab.write(CALLBACKS)
    few = ("data.n_train=60", "data.held_out=300", "trainer.max_steps=500")
    chosen = ("callbacks=[count,stop,best]", "seed=0,1", "callbacks.stop.stopping_threshold=0.5,0.4")
    runs, output = lab.sweep(*few, *chosen, "pack=auto")
    assert len(runs) == 4
    assert "callbacks" in output  # why they ran alone
    for run in runs:
        threshold = run.config.callbacks.stop.stopping_threshold
        assert run.knows("callbacks.stop.stopping_threshold", threshold)
        errors = [row["val_error"] for row in run.rows]
        assert errors[-1] < threshold <= min(errors[:-1])
        assert run.rows[-1]["step"] == run.summary["steps"] < 500
        # The callback saw every step, each with its batch of 60.
        counted = json.loads((run.directory / "steps.json").read_text())
        assert counted == [[step, 60] for step in range(1, run.summary["steps"] + 1)]
        best = torch.load(run.directory / "best.ckpt", weights_only=True)
        assert best["global_step"] == run.rows[errors.index(min(errors))]["step"]
        assert all(torch.equal(best["state_dict"][f"net.{name}"], w) for name, w in run.weights.items())
    assert lab.reported()["steps"].n_unique() > 1

    # Without the callbacks the same weights are on the way: a run of so many steps ends there.
    run = runs[0]
    seed = run.config.seed
    plain = lab.train(*few, f"seed={seed}", f"trainer.max_steps={run.summary['steps']}")
    assert all(torch.equal(plain.weights[name], w) for name, w in run.weights.items())


def test_the_average_of_the_weights_is_what_is_evaluated_and_saved(lab: Lab) -> None:
    lab.write(CALLBACKS)
    steps = (1, 2, 3, 4)
    plain = [lab.train("data.n_train=60", f"trainer.max_steps={step}").weights for step in steps]
    average = plain[0]
    averages = [average]
    for weights in plain[1:]:
        average = {name: 0.5 * average[name] + 0.5 * w for name, w in weights.items()}
        averages.append(average)
    run = lab.train("data.n_train=60", "trainer.max_steps=4", "callbacks=[average]")
    for name, w in run.weights.items():
        torch.testing.assert_close(w, average[name], rtol=1e-5, atol=1e-6)
    assert any((plain[-1][name] - w).abs().max() > 1e-3 for name, w in run.weights.items())

    loaded = load_run(run.directory)
    x, y = loaded.test.x, loaded.test.y
    assert [row["step"] for row in run.rows] == [0, *steps]
    for weights, row in zip(averages, run.rows[1:], strict=True):
        loaded.net.load_state_dict(weights)
        loss = torch.nn.functional.cross_entropy(loaded.net(x), y).item()
        assert row["test_loss"] == pytest.approx(loss, rel=1e-5)


def test_averages_in_a_sweep(lab: Lab) -> None:
    lab.write(CALLBACKS)
    few = ("data.n_train=300", "data.label_noise=0.2", "trainer.max_steps=40", "optimizer.lr=3e-2")
    runs, _ = lab.sweep(*few, "callbacks=[average]", "callbacks.average.decay=0.5,0.9", "pack=auto")
    plain = lab.train(*few)
    assert len({run.summary["test_loss"] for run in (*runs, plain)}) == 3
    for run in runs:
        loaded = load_run(run.directory)
        wrong = loaded.net(loaded.test.x).argmax(1) != loaded.test.y
        assert run.summary["test_error"] == pytest.approx(wrong.double().mean().item(), abs=1e-9)
        assert run.summary["test_error"] == run.rows[-1]["test_error"]
    assert set(lab.reported()["callbacks.average.decay"]) == {0.5, 0.9}
