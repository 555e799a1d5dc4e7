"""A config group of one's own: a folder beside the others."""

import pytest

from tests.forks.conftest import FEW, Lab


def test_a_group_counts_by_itself(lab: Lab) -> None:
    lab.write(
        {
            "noisy.py": """
                import torch

                from overparam.training.module import SupervisedModule


                class NoisyInputs(SupervisedModule):
                    def __init__(self, *, std, **common):
                        super().__init__(**common)
                        self.std = std

                    def training_loss(self, x, y):
                        return super().training_loss(x + self.std * torch.randn_like(x), y)
                """,
            "configs/module/noisy.yaml": """
                _target_: noisy.NoisyInputs
                std: ${augmentation.std}
                """,
            "configs/augmentation/weak.yaml": "std: 0.01\nkind: gaussian\n",
            "configs/augmentation/strong.yaml": "std: 1.0\nkind: gaussian\n",
        }
    )
    runs, _ = lab.sweep(*FEW, "module=noisy", "+augmentation=weak,strong", "seed=0,1", "pack=auto")
    assert len({run.summary["train_loss"] for run in runs}) == 4
    for run in runs:
        std = run.config.augmentation.std
        assert run.knows("augmentation.std", std)
        assert run.config.module.std == std
        assert run.same_bits(
            lab.train(
                *(*FEW, "module=noisy", f"+augmentation={'weak' if std < 1 else 'strong'}"),
                f"seed={run.config.seed}",
            )
        )
    assert set(lab.reported()["augmentation.std"]) == {0.01, 1.0}
    # Also a value that nothing reads makes another run: who knows what will.
    other = lab.train(*FEW, "module=noisy", "+augmentation=weak", "augmentation.kind=uniform")
    assert other.directory.name not in {run.directory.name for run in runs}
    assert other.summary["train_loss"] == pytest.approx(
        min(run.summary["train_loss"] for run in runs if run.config.seed == 0), rel=1e-9
    )
