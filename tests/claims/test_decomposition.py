from itertools import product

import pytest
import torch

from overparam.claims import decomposition
from overparam.claims.decomposition import components
from overparam.claims.trained import Setup, plan_sweeps
from overparam.errors import ConfigError
from overparam.training.finished import load_run
from overparam.training.run import train

TINY = [
    *("model.width=2", "trainer.max_steps=5", "data.n_train=40", "trainer.accelerator=cpu"),
    "hydra.launcher.cpu_slots=1",
]


def test_parts_are_unbiased_and_add_up():
    """Predictions made of parts of known variance: mean 1, data 2 e, init 3 e, both 0.5 e, target 3."""
    rng = torch.Generator().manual_seed(0)
    found = []
    for _ in range(300):
        data, init = (torch.randn(*shape, 7, 2, generator=rng) for shape in ((4, 1), (1, 3)))
        both = torch.randn(4, 3, 7, 2, generator=rng)
        found.append(
            components((1 + 2 * data + 3 * init + 0.5 * both).double(), torch.full((7, 2), 3.0).double())
        )
    for row in found[:3]:
        parts = ("squared_bias", "variance_data", "variance_init", "variance_both")
        assert sum(row[part] for part in parts) == pytest.approx(row["risk"])
    means = {key: sum(row[key] for row in found) / len(found) for key in found[0]}
    # Twice, for two outputs; the standard errors of these means are below 3%.
    assert means["variance_data"] == pytest.approx(8, rel=0.1)
    assert means["variance_init"] == pytest.approx(18, rel=0.1)
    assert means["variance_both"] == pytest.approx(0.5, rel=0.1)
    assert means["squared_bias"] == pytest.approx(8, rel=0.2)


def test_a_seed_of_the_ledger_is_training_sets_and_initializations_of_its_own(tmp_path):
    setup = Setup(tmp_path, (0, 3))
    sweeps = plan_sweeps(setup, "bias_variance", [TINY], draws={"data.seed": 3, "seed": 2})
    drawn = [[(run.cfg.seed, run.cfg.data.seed) for run in sweep] for sweep in sweeps]
    assert [sorted(pairs) for pairs in drawn] == [
        [*product((0, 1), (0, 1, 2))],
        [*product((6, 7), (9, 10, 11))],
    ]


def test_a_row_is_a_setting_of_a_seed(tmp_path, monkeypatch):
    def train_here(setup, experiment, sweeps, draws):
        planned = plan_sweeps(setup, experiment, sweeps, draws=draws)
        for run in [run for sweep in planned for run in sweep]:
            train(run.cfg)
        return [[run.directory for run in sweep] for sweep in planned]

    monkeypatch.setattr(decomposition, "train_sweeps", train_here)
    setup, draws = Setup(tmp_path, (1,)), {"data.seed": 2, "seed": 2}
    table, runs = decomposition.decomposed(setup, "bias_variance", draws, "model.width", {"tiny": TINY})
    assert table.select("seed", "model.width").rows() == [(1, 2)]
    outputs = {run: load_run(tmp_path / "bias_variance" / run) for run in runs}
    risks = [
        (found.predict(found.test.x).softmax(1) - torch.eye(10)[found.test.y]).square().sum(1).mean()
        for found in outputs.values()
    ]
    assert table["risk"].to_list() == pytest.approx([float(sum(risks) / 4)], rel=1e-5)
    assert table["variance_both"][0] > 0
    with pytest.raises(ConfigError, match="two values or more"):
        decomposition.decomposed(setup, "bias_variance", {"data.seed": 3, "seed": 1}, "model.width")
