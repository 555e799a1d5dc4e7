import pytest
import torch

from overparam.data.digits import Digits


def test_classes_are_tasks_of_their_own():
    everything, some = Digits(), Digits(classes=[7, 2, 9])
    pool, chosen = everything.load(), some.load()
    kept = [i for i, y in enumerate(pool.train_y.tolist()) if y in (7, 2, 9)]
    assert torch.equal(chosen.train_x, pool.train_x[kept])  # in the same scale, too
    assert torch.equal(torch.tensor([7, 2, 9])[chosen.train_y], pool.train_y[kept])
    assert torch.equal(torch.tensor([7, 2, 9])[chosen.test_y].unique(), torch.tensor([2, 7, 9]))
    assert some.pool_size == some.n_train == len(kept)
    assert some.num_outputs == 3
    a, b = Digits(classes=range(5)), Digits(classes=range(5, 10))
    assert a.pool_size + b.pool_size == everything.pool_size
    assert len(a.load().test_y) + len(b.load().test_y) == len(pool.test_y)


@pytest.mark.parametrize("classes", [[3], [1, 1, 2], [0, 10], []])
def test_what_is_no_task_is_refused(classes):
    with pytest.raises(ValueError, match=r"data\.classes must be two or more different digits"):
        Digits(classes=classes)
