"""Squared bias and the parts of the variance, against what is known of networks that say one number each."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from omegaconf import OmegaConf

from overparam.data.module import Split
from overparam.errors import ConfigError
from overparam.studies.bias_variance import bias_variance
from tests.command_line import command_line


class Says(torch.nn.Module):
    """A network that says the same to everything."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs = torch.nn.Parameter(torch.tensor(outputs, dtype=torch.float64))

    def forward(self, x):
        return self.outputs.expand(len(x), -1)


@pytest.fixture
def stand_in(mlps):
    def make(data_seed, seed, outputs, y):
        generator = torch.Generator().manual_seed(data_seed)
        splits = [
            Split(torch.randn(4, 2, generator=generator), y, torch.zeros(4, dtype=torch.bool))
            for _ in range(2)
        ]
        cfg = OmegaConf.create({"seed": seed, "data": {"seed": data_seed}})
        return replace(mlps[0], cfg=cfg, net=Says(outputs), train=splits[0], test=splits[1], loss=None)

    return make


def grid(stand_in, target=0.0, first=0):
    """3 + the data's +-1 + the initialization's +-1/2, against `target`."""
    y = torch.full((4, 1), target)
    return [
        stand_in(first + i, first + k, [3 + (-1) ** i + (-1) ** k / 2], y) for i in range(2) for k in range(2)
    ]


def test_additive_draws_have_their_own_variances_and_no_joint_one(stand_in):
    (row,) = bias_variance(grid(stand_in))
    expected = {"by_data": 2.0, "by_init": 0.5, "by_both": 0.0, "test_mse": 9 + 1 + 0.25}
    # Unbiased: the mean square of four numbers less the variance of their mean, 2/2 and .5/2.
    expected |= {"bias": 9 - 2 / 2 - 0.5 / 2, "variance": 2.5, "init_share": 0.5 / 2.5}
    assert {key: row[key] for key in expected} == pytest.approx(expected)
    assert row["log2_variance"] == pytest.approx(np.log2(2.5))
    assert (row["training_sets"], row["initializations"]) == (2, 2)


def test_the_bias_is_against_the_targets(stand_in):
    (row,), (near,) = bias_variance(grid(stand_in)), bias_variance(grid(stand_in, target=3.0))
    assert near["variance"] == pytest.approx(row["variance"])
    assert near["bias"] == pytest.approx(-2 / 2 - 0.5 / 2)  # an estimate may be below 0


def test_networks_that_all_say_the_same_have_no_variance_and_no_share_of_it(stand_in):
    y = torch.zeros(4, 1)
    (row,) = bias_variance([stand_in(i, k, [3.0], y) for i in range(2) for k in range(2)])
    assert (row["bias"], row["variance"], row["init_share"], row["log2_variance"]) == (9, 0, None, None)


def test_each_block_of_draws_is_a_row_in_any_order(stand_in):
    one, other = grid(stand_in), grid(stand_in, target=1.0, first=5)
    rows = bias_variance([*other[::-1], *one[::-1]])
    assert [row["data.seed"] for row in rows] == [0, 5]
    assert rows == [*bias_variance(one), *bias_variance(other)]


def test_what_cannot_be_split_is_refused(stand_in):
    runs = grid(stand_in)
    with pytest.raises(ConfigError, match=r"two values of data\.seed"):
        bias_variance(runs[:2])
    with pytest.raises(ConfigError, match=r"two values of data\.seed"):
        bias_variance(runs[:3])  # no two training sets have the same initializations
    same = [replace(run, train=runs[0].train) for run in runs]
    with pytest.raises(ConfigError, match=r"data\.seed=1 and data\.seed=0 have 4 samples in common"):
        bias_variance(same)
    with pytest.raises(ConfigError, match=r"data\.seed=0 and the test set have 4 samples in common"):
        bias_variance([replace(run, train=runs[0].test) for run in runs])


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_the_command_splits_the_brier_score_of_a_sweep(tmp_path, loss):
    sweep = ("data=mnist1d", "data.n_train=30", "model.width=2,8", "data.seed=1,2", "seed=3,4,5")
    short = ("trainer.max_steps=20", "trainer.accelerator=cpu", "logger=local", f"loss={loss}")
    done = command_line("train.py", "-m", *sweep, *short, "name=mine", f"paths.logs={tmp_path}")
    assert done.returncode == 0, done.stderr
    done = command_line("analyze.py", "study=bias_variance", f"runs={tmp_path / 'mine'}")
    assert done.returncode == 0, done.stderr
    table = pl.read_csv(tmp_path / "mine" / "studies" / "bias_variance.csv").sort("model.width")
    assert table["model.width"].to_list() == [2, 8]
    assert (tmp_path / "mine" / "studies" / "bias_variance.png").exists()
    for row in table.iter_rows(named=True):
        outputs, targets = by_hand(tmp_path / "mine", row["model.width"], loss)
        wrong = outputs - targets
        assert row["test_mse"] == pytest.approx((wrong**2).mean(), rel=1e-5)
        i, j = np.array([(0, 1), (1, 0)]).T
        pairs = [(k, m) for k in range(3) for m in range(3) if k != m]
        bias = np.mean([(wrong[i, k] * wrong[j, m]).mean() for k, m in pairs])
        assert row["bias"] == pytest.approx(bias, rel=1e-4)
        same_data = np.mean([(wrong[:, k] * wrong[:, m]).mean() for k, m in pairs])
        assert row["by_data"] == pytest.approx(same_data - bias, rel=1e-3)


def by_hand(folder, width, loss):
    """Outputs [2, 3, T, K] of the runs of a width, and one-hot targets [T, K]."""
    import overparam as op

    runs = [op.load(path.parent) for path in folder.glob("*/summary.json")]
    runs = {(r.cfg.data.seed, r.cfg.seed): r for r in runs if r.cfg.model.width == width}
    test = runs[1, 3].test
    outputs = np.stack([np.stack([runs[i, k].predict(test.x).numpy() for k in (3, 4, 5)]) for i in (1, 2)])
    outputs = outputs.astype(float)
    if loss == "cross_entropy":
        outputs = np.exp(outputs) / np.exp(outputs).sum(-1, keepdims=True)
    return outputs, np.eye(10)[test.y.numpy()]
