import pytest
import torch

from overparam.models.mlp import MLP
from overparam.studies.pruning import lottery_ticket, masked, prune_smallest
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
    rows = lottery_ticket([run], rounds=2, amount=0.5, readout_amount=0.5)
    assert rows[0]["error_ticket"] == loss_and_error(run.net, run.test, run.loss)[1]
    assert [row["weights_left"] for row in rows] == pytest.approx([1, 0.5, 0.25], abs=0.01)
    assert rows[2]["gain_over_reinit"] == pytest.approx(rows[2]["error_reinit"] - rows[2]["error_ticket"])
    start = run.new_net()
    masks = {n: (torch.rand_like(p) < 0.5).float() for n, p in start.named_parameters() if p.ndim > 1}
    trained = dict(retrain(run, masked(start, masks), masks).named_parameters())
    assert all(bool((trained[name][mask == 0] == 0).all()) for name, mask in masks.items())
