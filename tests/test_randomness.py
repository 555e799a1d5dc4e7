from itertools import combinations

import pytest
import torch

from overparam.randomness import (
    CPU,
    derive_seed,
    drawing,
    forked,
    generator,
    generator_states,
    restore_generators,
)


def test_seeds_are_fixed_for_all_time():
    assert derive_seed(0, "subset") == 6414648906965436682
    assert derive_seed(0) != derive_seed(0, "subset")


def test_streams_and_seeds_never_coincide():
    names = [
        ("subset",),
        ("label_noise", "level"),
        ("label_noise", "target"),
        ("order", 0),
        ("order", 1),
        ("init",),
    ]
    seeds = [derive_seed(seed, *name) for seed in (0, 1, 10, 2**31) for name in names]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_streams_are_uncorrelated():
    draws = [torch.randn(4000, generator=generator(0, name)) for name in ("a", "b", "c", "d")]
    for x, y in combinations(draws, 2):
        assert abs(torch.corrcoef(torch.stack([x, y]))[0, 1]) < 4 / 4000**0.5


def test_what_is_drawn_inside_begins_at_the_seed_and_is_not_seen_outside():
    before = torch.get_rng_state()
    with drawing(3):
        drawn = torch.rand(4)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(4), drawn)


def test_generators_go_on_where_they_were():
    states = generator_states(CPU)
    expected = torch.rand(4)
    restore_generators(CPU, states)
    assert torch.equal(torch.rand(4), expected)
    restore_generators(CPU, {**states, "cuda": []})  # as checkpoints of runs on a CPU held them once
    assert torch.equal(torch.rand(4), expected)


def test_no_generator_of_a_gpu_is_begun_anew(monkeypatch):
    monkeypatch.setattr("torch.cuda.manual_seed_all", lambda seed: pytest.fail("it was"))
    monkeypatch.setattr("torch.cuda.get_rng_state", lambda *device: pytest.fail("it was looked at"))
    with drawing(3), forked():
        torch.rand(4)
