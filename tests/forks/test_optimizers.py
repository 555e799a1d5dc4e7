"""Optimizers and schedules of one's own: parameter groups, warmup, one that needs a metric; knobs of the Trainer."""

import json

import pytest
import torch

from tests.forks.conftest import FEW, Lab

RATES = {
    "rates.py": """
        import json
        from pathlib import Path

        import lightning as L


        class Rates(L.Callback):
            def __init__(self, folder):
                self.path, self.rates = Path(folder) / "rates.json", []

            def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
                self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])

            def on_train_end(self, trainer, pl_module):
                self.path.write_text(json.dumps(self.rates))
        """,
    "configs/callbacks/rates.yaml": """
        rates:
          _target_: rates.Rates
          folder: ${paths.run}
        """,
}


def test_no_weight_decay_on_biases_and_norms(lab: Lab) -> None:
    lab.write(
        {
            "groups.py": """
                import torch


                def adamw(net, lr, weight_decay):
                    weights = [p for p in net.parameters() if p.ndim > 1]
                    others = [p for p in net.parameters() if p.ndim <= 1]
                    groups = [{"params": weights, "weight_decay": weight_decay}, {"params": others}]
                    return torch.optim.AdamW(groups, lr=lr, weight_decay=0.0)
                """,
            "configs/optimizer/grouped.yaml": """
                _target_: groups.adamw
                _partial_: true
                lr: 1e-2
                weight_decay: 0.1
                """,
        }
    )
    net = ("model.width=8", "model.norm=layer", "data.n_train=60")
    runs, _ = lab.sweep(*net, "trainer.max_steps=1,40", "optimizer=grouped", "optimizer.weight_decay=0.1,10")
    assert len({run.summary["train_loss"] for run in runs}) == 4
    assert lab.reported()["optimizer.weight_decay"].n_unique() == 2
    # One step from the same weights: what is decayed moved as with AdamW, the rest as without decay.
    (run,) = [
        run for run in runs if run.config.trainer.max_steps == 1 and run.config.optimizer.weight_decay == 10
    ]
    one = (*net, "trainer.max_steps=1", "optimizer=adamw", "optimizer.lr=1e-2")
    decayed = lab.train(*one, "optimizer.weight_decay=10").weights
    free = lab.train(*one, "optimizer.weight_decay=0").weights
    assert any(w.ndim > 1 for w in run.weights.values())
    norms = 0
    for name, w in run.weights.items():
        assert torch.equal(w, (decayed if w.ndim > 1 else free)[name])
        norms += w.ndim == 1 and not torch.equal(free[name], decayed[name])
    assert norms >= 1


def test_linear_warmup_then_cosine(lab: Lab) -> None:
    lab.write(
        {
            **RATES,
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
    )
    runs, _ = lab.sweep(
        *FEW, "scheduler=warm", "scheduler.schedulers.0.start_factor=0.1,0.5", "callbacks=[rates]"
    )
    assert len({run.summary["train_loss"] for run in runs}) == 2
    for run in runs:
        first = run.config.scheduler.schedulers[0].start_factor
        optimizer = torch.optim.SGD([torch.zeros(1)], lr=1e-2)
        warm = torch.optim.lr_scheduler.LinearLR(optimizer, first, total_iters=10)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 30)
        both = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm, cosine], [10])
        expected = []
        for _ in range(40):
            expected.append(optimizer.param_groups[0]["lr"])
            optimizer.step(), both.step()
        assert rates(run) == pytest.approx(expected, rel=1e-9)
        assert expected[0] == pytest.approx(first * 1e-2)
        # Whether anything looks on is without effect.
        alone = lab.train(*FEW, "scheduler=warm", f"scheduler.schedulers.0.start_factor={first}")
        assert all(torch.equal(w, run.weights[name]) for name, w in alone.weights.items())


def rates(run) -> list[float]:
    return json.loads((run.directory / "rates.json").read_text())


def test_a_schedule_that_needs_a_metric(lab: Lab) -> None:
    """One that calls every lower loss a failure, so that it lowers the rate at each evaluation but the first."""
    lab.write(
        {
            **{
                name.replace("rates", "rates"): text.replace("rates.Rates", "rates.Rates")
                for name, text in RATES.items()
            },
            "configs/scheduler/halving.yaml": """
                _target_: torch.optim.lr_scheduler.ReduceLROnPlateau
                _partial_: true
                monitor: train_loss
                mode: max
                factor: 0.5
                patience: 0
                """,
        }
    )
    runs, _ = lab.sweep(*FEW, "scheduler=halving", "scheduler.factor=0.5,0.9", "callbacks=[rates]")
    assert len({run.summary["train_loss"] for run in runs}) == 2
    for run in runs:
        factor = run.config.scheduler.factor
        _, first, *later = [
            row["step"] for row in run.rows
        ]  # before the first step there is nothing to schedule
        expected = [1e-2 * factor ** sum(at <= step for at in later) for step in range(40)]
        assert first == 1
        assert rates(run) == pytest.approx(expected, rel=1e-9)
        alone = lab.train(*FEW, "scheduler=halving", f"scheduler.factor={factor}")
        assert all(torch.equal(w, run.weights[name]) for name, w in alone.weights.items())


def test_gradients_accumulated_over_two_batches_are_those_of_one_twice_as_large(lab: Lab) -> None:
    (lab.folder / "configs").mkdir()
    rest = (*FEW, "optimizer=sgd", "model.width=8")
    parts, _ = lab.sweep(*rest, "data.batch_size=15,10", "++trainer.accumulate_grad_batches=2", "pack=auto")
    assert len(parts) == 2
    for run in parts:
        size = run.config.data.batch_size
        assert run.summary["steps"] == 40
        assert run.knows("trainer.accumulate_grad_batches", 2)
        whole, plain = (lab.train(*rest, f"data.batch_size={size * factor}") for factor in (2, 1))
        assert run.summary["train_loss"] == pytest.approx(whole.summary["train_loss"], rel=1e-3)
        assert run.summary["train_loss"] != pytest.approx(plain.summary["train_loss"], rel=1e-2)


def test_the_trainers_own_clipping_is_the_labs(lab: Lab) -> None:
    (lab.folder / "configs").mkdir()
    runs, _ = lab.sweep(*FEW, "++trainer.gradient_clip_val=0.01,0.1", "optimizer=sgd", "pack=auto")
    plain = lab.train(*FEW, "optimizer=sgd")
    assert len({run.summary["train_loss"] for run in (*runs, plain)}) == 3
    for run in runs:
        clipped = lab.train(*FEW, f"clip_norm={run.config.trainer.gradient_clip_val}", "optimizer=sgd")
        assert all(torch.equal(w, run.weights[name]) for name, w in clipped.weights.items())
