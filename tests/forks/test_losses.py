"""A loss of one's own: a callable from outputs [N, K] and y to losses [N]."""

import pytest
import torch
import torch.nn.functional as F

from overparam.training.finished import load_run
from tests.forks.conftest import FEW, Lab


def test_label_smoothing_and_focal_loss(lab: Lab) -> None:
    lab.write(
        {
            "focal.py": '''
                import torch.nn.functional as F


                def focal(outputs, y, gamma=2.0):
                    """(1 - p)^gamma times cross entropy (Lin et al. 2017)."""
                    loss = F.cross_entropy(outputs, y, reduction="none")
                    return (1 - (-loss).exp()) ** gamma * loss
                ''',
            "configs/loss/focal.yaml": """
                _target_: focal.focal
                _partial_: true
                gamma: 2.0
                """,
            "configs/loss/smooth.yaml": """
                _target_: torch.nn.CrossEntropyLoss
                label_smoothing: 0.1
                reduction: none
                """,
        }
    )
    runs, output = lab.sweep(*FEW, "loss=focal,smooth", "seed=0,1", "pack=auto")
    assert len({run.summary["train_loss"] for run in runs}) == 4
    assert "focal" in output  # why those ran alone

    def focal_loss(outputs, y):
        p = outputs.softmax(1)[range(60), y]
        return (-((1 - p) ** 2) * p.log()).mean()

    def smooth_loss(outputs, y):
        return F.cross_entropy(outputs, y, label_smoothing=0.1)

    expected = {"focal.focal": focal_loss, "torch.nn.CrossEntropyLoss": smooth_loss}
    for run in runs:
        loaded = load_run(run.directory)
        x, y = loaded.train.x, loaded.train.y
        by_hand = expected[run.config.loss._target_]
        for net, row in ((loaded.new_net(), run.rows[0]), (loaded.net, run.rows[-1])):
            assert row["train_loss"] == pytest.approx(by_hand(net(x), y).item(), rel=1e-4)
            error = (net(x).argmax(1) != y).double().mean().item()
            assert row["train_error"] == pytest.approx(error, abs=1e-9)
    assert lab.reported()["loss"].n_unique() == 2

    weights = lab.train(*FEW).weights
    for off in (("loss=focal", "loss.gamma=0"), ("loss=smooth", "loss.label_smoothing=0")):
        for name, w in lab.train(*FEW, *off).weights.items():
            torch.testing.assert_close(w, weights[name], rtol=1e-3, atol=1e-4)
    (focal, *_) = [run for run in runs if run.config.loss._target_ == "focal.focal" and run.config.seed == 0]
    assert any((focal.weights[name] - w).abs().max() > 1e-2 for name, w in weights.items())
    steeper = lab.train(*FEW, "loss=focal", "loss.gamma=5")
    assert steeper.knows("loss.gamma", 5)
    assert steeper.summary["train_loss"] != focal.summary["train_loss"]
