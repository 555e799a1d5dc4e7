"""A training rule of one's own: a subclass of the lab's module, or any LightningModule."""

import pytest
import torch

from overparam.training.finished import load_run
from tests.forks.conftest import FEW, Lab, Run

MIXUP = {
    "my_mixup.py": """
        import torch

        from overparam.training.module import SupervisedModule


        class MyMixup(SupervisedModule):
            def __init__(self, *, alpha, **common):
                super().__init__(**common)
                self.alpha = alpha

            def training_loss(self, x, y):
                lam = torch.distributions.Beta(self.alpha, self.alpha).sample()
                index = torch.randperm(len(x))
                out = self(lam * x + (1 - lam) * x[index])
                return lam * self.loss(out, y).mean() + (1 - lam) * self.loss(out, y[index]).mean()
        """,
    "configs/module/my_mixup.yaml": """
        _target_: my_mixup.MyMixup
        alpha: 1.0
        """,
}
# Somebody else's: it knows nothing of this lab.
LIT = {
    "lit.py": """
        import math

        import lightning as L
        import torch
        import torch.nn.functional as F
        from torch import nn


        class LitClassifier(L.LightningModule):
            def __init__(self, input_shape, num_outputs, width=8, lr=1e-2, dropout=0.0):
                super().__init__()
                self.save_hyperparameters()
                self.layers = nn.Sequential(
                    nn.Flatten(),
                    nn.Linear(math.prod(input_shape), width),
                    nn.ReLU(),
                    nn.Dropout(dropout),
                    nn.Linear(width, num_outputs),
                )

            def forward(self, x):
                return self.layers(x)

            def training_step(self, batch, batch_idx):
                x, y = batch
                loss = F.cross_entropy(self(x), y)
                self.log("loss_of_the_batch", loss)
                return loss

            def configure_optimizers(self):
                return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
        """,
    "configs/module/lit.yaml": """
        _target_: lit.LitClassifier
        width: 8
        lr: 1e-2
        dropout: 0.0
        """,
}


def test_mixup_is_not_dropped_by_a_pack(lab: Lab) -> None:
    lab.write(MIXUP)
    runs, output = lab.sweep(*FEW, "module=my_mixup", "module.alpha=0.2,1.0", "seed=0,1", "pack=auto")
    assert len(runs) == 4
    assert "MyMixup" in output  # why they ran alone
    for run in runs:
        alpha, seed = run.config.module.alpha, run.config.seed
        assert run.knows("module.alpha", alpha if alpha < 1 else 1)
        assert run.same_bits(lab.train(*FEW, "module=my_mixup", f"module.alpha={alpha}", f"seed={seed}"))
        plain = lab.train(*FEW, f"seed={seed}")
        assert run.summary["train_loss"] > 1.5 * plain.summary["train_loss"]
        assert run.rows[0] == pytest.approx(plain.rows[0], abs=0, nan_ok=True)
    table = lab.reported()
    assert sorted(table["module.alpha"]) == [0.2, 0.2, 1.0, 1.0]
    assert "alpha" in lab.command("report.py", "logs/sweep")


def test_two_passes_by_manual_optimization(lab: Lab) -> None:
    lab.write(
        {
            "my_sam.py": """
                import torch

                from overparam.training.module import SupervisedModule


                class MySAM(SupervisedModule):
                    def __init__(self, *, rho, **common):
                        super().__init__(**common)
                        self.automatic_optimization = False
                        self.rho = rho

                    def training_step(self, batch, batch_idx):
                        optimizer = self.optimizers()
                        weights = list(self.net.parameters())
                        optimizer.zero_grad()
                        self.manual_backward(self.training_loss(*batch))
                        norm = torch.stack([w.grad.norm() for w in weights]).norm()
                        ascent = [self.rho * w.grad / norm for w in weights]
                        with torch.no_grad():
                            for w, e in zip(weights, ascent):
                                w.add_(e)
                        optimizer.zero_grad()
                        self.manual_backward(self.training_loss(*batch))
                        with torch.no_grad():
                            for w, e in zip(weights, ascent):
                                w.sub_(e)
                        optimizer.step()
                        self.lr_schedulers().step()
                """,
            "configs/module/my_sam.yaml": """
                _target_: my_sam.MySAM
                rho: 0.05
                """,
        }
    )
    rest = (*FEW, "optimizer=sgd", "scheduler=cosine", "data.batch_size=16")
    runs, _ = lab.sweep(*rest, "module=my_sam", "module.rho=0,0.5", "pack=auto")
    flat, sharp = sorted(runs, key=lambda run: run.config.module.rho)
    assert flat.summary["steps"] == sharp.summary["steps"] == 40
    plain, shipped = lab.train(*rest), lab.train(*rest, "module=sam", "module.rho=0.5")
    assert flat.summary["train_loss"] == pytest.approx(plain.summary["train_loss"], rel=1e-4)
    assert sharp.summary["train_loss"] == pytest.approx(shipped.summary["train_loss"], rel=1e-2)
    assert sharp.summary["train_loss"] > 1.1 * plain.summary["train_loss"]
    assert lab.reported()["module.rho"].n_unique() == 2


def test_distillation_from_a_finished_run(lab: Lab) -> None:
    lab.write(
        {
            "student.py": """
                from pathlib import Path

                import torch.nn.functional as F

                from overparam.training.finished import load_run
                from overparam.training.module import SupervisedModule


                class Student(SupervisedModule):
                    def __init__(self, *, teacher, temperature, **common):
                        super().__init__(**common)
                        self.teacher = [load_run(Path(teacher)).net]
                        self.temperature = temperature

                    def training_loss(self, x, y):
                        soft = (self.teacher[0](x) / self.temperature).softmax(1).detach()
                        return self.temperature**2 * F.cross_entropy(self(x) / self.temperature, soft)
                """,
            "configs/module/student.yaml": """
                _target_: student.Student
                teacher: ???
                temperature: 4.0
                """,
        }
    )
    teacher = lab.train("data.n_train=600", "trainer.max_steps=100", "model.width=32")
    student = ("model.width=8", "data.n_train=300", "data.label_noise=0.4", "trainer.max_steps=100")
    runs, _ = lab.sweep(
        *student, "module=student", f"module.teacher={teacher.directory}", "module.temperature=2,4"
    )
    alone = lab.train(*student)
    assert len({run.summary["test_loss"] for run in runs}) == 2
    for run in runs:
        assert run.summary["params"] == 64 * 8 + 8 + 8 * 10 + 10
        assert run.weights.keys() == alone.weights.keys()
        assert run.summary["test_error"] < alone.summary["test_error"] - 0.1
        x = load_run(teacher.directory).test.x
        first, second = (load_run(run_dir).net(x) for run_dir in (teacher.directory, run.directory))
        assert (first.argmax(1) == second.argmax(1)).float().mean() > 0.8


def test_a_lightning_module_of_somebody_else(lab: Lab) -> None:
    lab.write(LIT)
    runs, output = lab.sweep(*FEW, "module=lit", "module.width=4,8", "seed=0,1", "pack=auto")
    assert "LitClassifier" in output
    assert len({run.summary["train_loss"] for run in runs}) == 4
    for run in runs:
        width, seed = run.config.module.width, run.config.seed
        assert run.summary["params"] == 64 * width + width + 10 * width + 10
        assert run.weights["layers.1.weight"].shape == (width, 64)
        assert run.summary["train_loss"] < 0.9 * run.rows[0]["train_loss"]
        # What it does not take is not said to have been used.
        assert all(not run.config.get(section) for section in ("model", "loss", "optimizer", "scheduler"))
        assert run.same_bits(lab.train(*FEW, "module=lit", f"module.width={width}", f"seed={seed}"))
        assert by_hand(run) == pytest.approx(run.summary["test_error"], abs=1e-9)
    still = lab.train(*FEW, "module=lit", "module.lr=0")
    assert still.summary["train_loss"] == still.rows[0]["train_loss"]
    assert sorted(lab.reported()["module.width"]) == [4, 4, 8, 8]


def by_hand(run: Run) -> float:
    w = run.weights
    x, y = (data := load_run(run.directory).test).x.flatten(1), data.y
    hidden = (x @ w["layers.1.weight"].T + w["layers.1.bias"]).relu()
    outputs = hidden @ w["layers.4.weight"].T + w["layers.4.bias"]
    return (outputs.argmax(1) != y).double().mean().item()


def test_its_log_reaches_loggers_and_callbacks(lab: Lab) -> None:
    lab.write(
        {
            **LIT,
            "configs/logger/files.yaml": """
                files:
                  _target_: lightning.pytorch.loggers.CSVLogger
                  save_dir: ${paths.run}
                  name: files
                  version: ''
                """,
            "configs/callbacks/stop.yaml": """
                stop:
                  _target_: lightning.pytorch.callbacks.EarlyStopping
                  monitor: loss_of_the_batch
                  stopping_threshold: 2.0
                """,
        }
    )
    run = lab.train(
        *(*FEW, "trainer.max_steps=300", "module=lit", "logger=[wandb,files]", "callbacks=[stop]"),
        "++trainer.log_every_n_steps=1",
    )
    assert 1 < run.summary["steps"] < 300
    lines = (run.directory / "files" / "metrics.csv").read_text().splitlines()
    column = lines[0].split(",").index("loss_of_the_batch")
    logged = [float(line.split(",")[column]) for line in lines[1:] if line.split(",")[column]]
    assert len(logged) == run.summary["steps"]
    assert logged[0] == pytest.approx(run.rows[0]["train_loss"], rel=1e-5)
    assert logged == sorted(logged, reverse=True)
    assert run.in_wandb("loss_of_the_batch")


def test_a_training_step_of_ones_own(lab: Lab) -> None:
    """Where the loss needs more than outputs and labels: those of two views of a sample shall agree."""
    lab.write(
        {
            "two_views.py": """
                import torch

                from overparam.training.module import SupervisedModule


                class TwoViews(SupervisedModule):
                    def __init__(self, *, agree, **common):
                        super().__init__(**common)
                        self.agree = agree

                    def training_step(self, batch, batch_idx):
                        x, y = batch
                        difference = self(x + 0.3 * torch.randn_like(x)) - self(x)
                        return self.training_loss(x, y) + self.agree * difference.square().mean()
                """,
            "configs/module/two_views.yaml": """
                _target_: two_views.TwoViews
                agree: 0.0
                """,
        }
    )
    loose, tight = (lab.train(*FEW, "module=two_views", f"module.agree={weight}") for weight in (0, 1))
    plain = lab.train(*FEW)
    assert loose.summary["train_loss"] == pytest.approx(plain.summary["train_loss"], rel=1e-5)
    differences = []
    for run in (loose, tight):
        net, x = (loaded := load_run(run.directory)).net, loaded.test.x
        noise = 0.3 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
        differences.append((net(x + noise) - net(x)).square().mean().item())
    assert differences[1] < 0.5 * differences[0]
