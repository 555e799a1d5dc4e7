from dataclasses import replace

import lightning as L
import pytest
import torch
from omegaconf import OmegaConf

from overparam.errors import ConfigError
from overparam.runs.identity import run_directory
from overparam.studies.retraining import retrain
from overparam.training.build import resolve
from overparam.training.finished import load_run
from overparam.training.run import train
from tests.conftest import compose_config
from tests.studies.conftest import TINY


def test_retraining_from_the_start_is_the_run_bit_for_bit(tmp_path):
    batch_norm_dropout = ["model.width=8", "model.norm=batch", "model.dropout=0.2"]
    schedule = ["data.batch_size=20", "data.crop=1", "scheduler=cosine", "clip_norm=0.5"]
    cfg = compose_config(*TINY, *batch_norm_dropout, *schedule, f"paths.logs={tmp_path}")
    train(cfg)
    run = load_run(run_directory(cfg))
    start = run.new_net()
    before = {key: value.clone() for key, value in start.state_dict().items()}
    again = retrain(run, start)
    for key, value in run.net.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key
    assert all(torch.equal(before[key], value) for key, value in start.state_dict().items())


class Stream(L.LightningDataModule):
    """Batches from a DataLoader that shuffles."""

    def train_dataloader(self, shuffle=True):
        x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
        dataset = torch.utils.data.TensorDataset(x, (x[:, 0] > 0).long())
        dataset.classes = ["below", "above"]
        return torch.utils.data.DataLoader(dataset, batch_size=8, shuffle=shuffle)

    def test_dataloader(self):
        return self.train_dataloader(shuffle=False)


def test_a_run_on_data_that_stream_is_repeated(tmp_path):
    cfg = compose_config(
        "trainer.max_steps=12", "trainer.accelerator=cpu", "logger=local", f"paths.logs={tmp_path}"
    )
    cfg.data = OmegaConf.create({"_target_": f"{__name__}.Stream"})
    train(cfg)
    run = load_run(run_directory(resolve(cfg)))
    again = retrain(run, run.new_net())
    for key, value in run.net.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key


def test_a_run_that_cannot_be_repeated_is_refused(mlps):
    cfg = OmegaConf.merge(mlps[0].cfg, {"callbacks": {"ema": {"_target_": "somebody.Ema"}}})
    with pytest.raises(ConfigError, match=r"does not support callbacks, as mlp-w12-.* has"):
        retrain(replace(mlps[0], cfg=cfg), mlps[0].net)


def test_masks_are_kept_and_ones_mask_nothing(mlps):
    run = mlps[0]
    masks = {name: torch.ones_like(p) for name, p in run.net.named_parameters() if p.ndim > 1}
    for a, b in zip(retrain(run, run.new_net(), masks).parameters(), run.net.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    masks = {name: (torch.rand_like(mask) < 0.5).float() for name, mask in masks.items()}
    trained = dict(retrain(run, run.new_net(), masks).named_parameters())
    assert all(bool((trained[name][mask == 0] == 0).all()) for name, mask in masks.items())


def test_the_network_is_looked_at_where_asked(mlps):
    seen = []
    retrain(
        mlps[0],
        mlps[0].new_net(),
        steps=[7, 60],
        call=lambda net: seen.append(net.layers[1].weight[0, 0].item()),
    )
    assert len(seen) == 2
    assert seen[1] == mlps[0].net.layers[1].weight[0, 0].item()
