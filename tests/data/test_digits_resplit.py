"""A pool and a test set of digits that a seed draws."""

import torch

from overparam.data.digits import Digits


def rows(split):
    return {row.numpy().tobytes() for row in split.stored}


def drawn(seed, **knobs):
    data = Digits(seed=seed, **knobs)
    data.setup()
    return data


def test_every_seed_draws_its_own_pool_and_test_set():
    first, second = (drawn(seed, resplit=True) for seed in (0, 1))
    for data in (first, second):
        assert (len(data.train), len(data.test)) == (1200, 597)
        assert not rows(data.train) & rows(data.test)
    pool = rows(first.train)
    assert 0.6 < len(pool & rows(second.train)) / len(pool) < 0.73  # 1200 of 1797 are two thirds
    assert rows(first.train) | rows(first.test) == rows(second.train) | rows(second.test)


def test_without_it_all_seeds_have_one_of_each():
    first, second = drawn(0), drawn(1)
    assert rows(first.train) == rows(second.train)
    assert torch.equal(first.test.stored, second.test.stored)
    assert abs(first.train.stored.mean()) < 1e-5
