import statistics

import pytest
import torch

from overparam.errors import ConfigError
from overparam.models.mlp import MLP
from overparam.studies.pruning import CONTROLS, lottery_ticket, masked, prunable, prune_smallest
from overparam.studies.retraining import retrain
from overparam.training.finished import loss_and_error


def test_the_smallest_remaining_weights_go_layer_by_layer():
    net = MLP((4,), 2, width=5)
    masks = {name: torch.ones_like(p) for name, p in net.named_parameters() if p.ndim > 1}
    first, last = masks
    once = prune_smallest(net, masks, 0.5, 0.2)
    assert once[first].sum() == 10
    assert once[last].sum() == 8
    weight = dict(net.named_parameters())[first].abs()
    assert weight[once[first] == 0].max() <= weight[once[first] == 1].min()
    twice = prune_smallest(masked(net, once), once, 0.5, 0.2)
    assert twice[first].sum() == 5
    assert bool((twice[first] <= once[first]).all())  # nothing pruned comes back


@pytest.mark.parametrize("kind", ["mlps", "cnns"])
def test_tickets_keep_their_masks_and_the_dense_row_is_the_run(kind, request):
    run = request.getfixturevalue(kind)[0]
    rows = lottery_ticket([run], rounds=2, amount=0.5, readout_amount=0.5, controls=["reinit", "random"])
    assert rows[0]["error_ticket"] == loss_and_error(run.net, run.test, run.loss)[1]
    assert [row["weights_left"] for row in rows] == pytest.approx([1, 0.5, 0.25], abs=0.01)
    for control in ("reinit", "random"):
        gain = rows[2][f"error_{control}"] - rows[2]["error_ticket"]
        assert rows[2][f"gain_over_{control}"] == pytest.approx(gain)
        assert statistics.fmean(rows[2][f"gain_over_{control}_by_sample"]) == pytest.approx(gain)
    start = run.new_net()
    masks = {n: (torch.rand_like(p) < 0.5).float() for n, p in start.named_parameters() if p.ndim > 1}
    trained = dict(retrain(run, masked(start, masks), masks).named_parameters())
    assert all(bool((trained[name][mask == 0] == 0).all()) for name, mask in masks.items())


def test_controls_have_as_many_weights_by_layer_or_in_all(mlps):
    start = mlps[0].new_net()
    masks = {name: torch.zeros_like(p) for name, p in prunable(start).items()}
    next(iter(masks.values())).flatten()[::3] = 1.0  # one layer has all that are kept
    (new, same), (old, shuffled), (_, spread) = (make(mlps[0], start, masks) for make in CONTROLS.values())
    assert list(CONTROLS) == ["reinit", "shuffled", "random"]
    assert same is masks
    assert old is start
    assert not any(
        torch.equal(a, b) for a, b in zip(prunable(new).values(), prunable(start).values(), strict=True)
    )
    first, *others = masks
    assert [shuffled[name].sum() for name in masks] == [mask.sum() for mask in masks.values()]
    assert not torch.equal(shuffled[first], masks[first])
    assert sum(mask.sum() for mask in spread.values()) == masks[first].sum()
    assert all(spread[name].sum() > 0 for name in others)
    with pytest.raises(ConfigError, match=r"study\.controls has randm: there are reinit, shuffled, random"):
        lottery_ticket(mlps[:1], controls=["randm"])
