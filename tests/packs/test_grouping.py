"""Which runs go together: what differs, what padding wastes, what fits."""

import copy

import pytest
from omegaconf import OmegaConf

from overparam.errors import ConfigError
from overparam.packs import grouping as planning
from overparam.packs.grouping import MOST_WASTE, plan
from overparam.training.build import assemble
from tests.conftest import compose_config


def runs(*common, **grid):
    """Runs of every combination of values by key; underscores in a key stand for dots, as in model_width."""
    cfgs = [compose_config("logger=local", "trainer.accelerator=cpu", *common)]
    for key, values in grid.items():
        section, _, name = key.partition("_")
        widened = []
        for cfg in cfgs:
            for value in values:
                other = copy.deepcopy(cfg)
                if name:
                    other[section][name] = value
                else:
                    OmegaConf.update(other, section, value, force_add=True)
                widened.append(other)
        cfgs = widened
    return [(cfg, assemble(cfg)) for cfg in cfgs]


def test_what_may_differ_goes_together_and_nothing_else():
    packs, alone = plan(runs(seed=[0, 1], data_label_noise=[0.0, 0.2], optimizer_lr=[1e-2, 1e-3]), "auto")
    assert [len(pack) for pack in packs] == [8]
    assert not alone
    packs, _ = plan(runs(seed=[0, 1], model_depth=[1, 2]), "auto")
    assert sorted(sorted(pack) for pack in packs) == [[0, 2], [1, 3]]


def test_the_names_of_the_files_that_values_came_from_keep_no_runs_apart():
    grid = runs(seed=[0, 1], choices=[{"optimizer": "adam"}, {"optimizer": "mine"}])
    assert [len(pack) for pack in plan(grid, "auto")[0]] == [4]


def test_off_packs_nothing_and_a_wrong_word_is_refused():
    assert plan(runs(seed=[0, 1]), "off") == ([], {})
    with pytest.raises(ConfigError, match="pack must be one of auto, all, off"):
        plan(runs(seed=[0, 1]), "maybe")


def test_padding_wastes_at_most_half():
    grid = runs(
        "model=cnn3", "data.batch_size=100", seed=[0, 1], model_width=[1, 2, 3, 4, 6, 8, 12, 16, 24, 32]
    )
    packs, _ = plan(grid, "all")
    assert sorted(index for pack in packs for index in pack) == list(range(20))
    assert len(packs) < 10
    for pack in packs:
        sizes = [grid[index][1].params for index in pack]
        assert sum(sizes) >= (1 - MOST_WASTE) * len(sizes) * max(sizes)


def test_mlps_need_no_padding():
    grid = runs("data.batch_size=100", seed=[0, 1], model_width=[3, 10, 48, 512])
    assert [sorted(pack) for pack in plan(grid, "auto")[0]] == [list(range(8))]
    # ... but rows of equal widths: what is left of an interrupted sweep is as many packs as there are kinds of rows.
    packs, _ = plan([run for i, run in enumerate(grid) if i not in (1, 6)], "auto")
    assert sorted(len(pack) for pack in packs) == [3, 3]


def test_what_cannot_be_padded_is_packed_by_equals():
    packs, _ = plan(runs("model.norm=layer", seed=[0, 1], model_width=[7, 8]), "auto")
    assert sorted(sorted(pack) for pack in packs) == [[0, 2], [1, 3]]
    # Batch norm sees the padded samples of a full batch, and no others.
    full = runs("model.norm=batch", seed=[0, 1], data_n_train=[1000, 1100])
    assert sorted(sorted(pack) for pack in plan(full, "auto")[0]) == [[0, 2], [1, 3]]
    batches = runs("model.norm=batch", "data.batch_size=50", seed=[0, 1], data_n_train=[1000, 1100])
    assert [sorted(pack) for pack in plan(batches, "auto")[0]] == [[0, 1, 2, 3]]


@pytest.mark.parametrize(
    ("common", "packing", "reason"),
    [
        (["model=cnn3"], "auto", "convolutions"),
        (["module=mixup"], "all", "their module, Mixup"),
        (["callbacks=ema"], "all", "they have callbacks"),
        (["measures=norms"], "all", "they have measures"),
        (["+loss._target_=torch.nn.CrossEntropyLoss", "+loss.reduction=none"], "all", "CrossEntropyLoss"),
        (["model.dropout=0.1"], "all", "cannot be packed exactly"),
        (["trainer.precision=bf16-mixed"], "all", "bf16-mixed"),
        (
            ["optimizer._target_=torch.optim.Adagrad", "~optimizer.betas"],
            "all",
            "their optimizer, Adagrad",
        ),
    ],
)
def test_what_runs_alone_says_why(common, packing, reason):
    packs, alone = plan(runs(*common, seed=[0, 1]), packing)
    assert packs == []
    ((said, count),) = alone.items()
    assert reason in said
    assert count == 2


def test_all_packs_convolutions_too():
    assert len(plan(runs("model=cnn3", "data.batch_size=50", seed=[0, 1]), "all")[0]) == 1


def test_a_pack_that_does_not_fit_is_split(monkeypatch):
    grid = runs("data.batch_size=100", seed=range(12))
    whole = planning.footprint(grid[0][1], "32-true")
    monkeypatch.setattr(planning, "budget", lambda: 5 * (whole.model + whole.data))
    packs, _ = plan(grid, "auto")
    assert sorted(len(pack) for pack in packs) == [4, 4, 4]
    assert sorted(index for pack in packs for index in pack) == list(range(12))


def test_packs_are_split_to_use_every_slot():
    grid = runs(seed=range(8))
    assert len(plan(grid, "auto", jobs=1)[0]) == 1
    assert sorted(len(pack) for pack in plan(grid, "auto", jobs=2)[0]) == [4, 4]
